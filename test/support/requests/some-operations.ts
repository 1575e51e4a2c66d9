// Lists of operations that a policy may have, for property tests.

import fc from 'fast-check';
import { OPERATIONS } from '../../../src/policy/operation.js';

/** Allowed together, or not at all: a CA may take the one for the other. */
const DEACTIVATIONS = ['deactivate-account', 'deactivate-authorization'];

export const someOperations: fc.Arbitrary<readonly string[]> = fc
  .tuple(
    fc.subarray(OPERATIONS.filter((each) => !DEACTIVATIONS.includes(each))),
    fc.subarray([DEACTIVATIONS]),
  )
  .map((lists) => lists.flat(2));
