import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/lib/errors.js';
import { objectionToContent } from '../../../src/policy/content-checks.js';
import { parseNamedPolicy } from '../../../src/policy/named-policy.js';
import type { ClassifiedRequest } from '../../../src/policy/operation.js';

const POLICY = parseNamedPolicy(
  'web',
  { operations: ['finalize'], identifiers: ['www.example.org'] },
  ({ key, problem }) => assert.fail(`${key}: ${problem}`),
);

/** A finalize whose CSR is fine but for its signature, whose verification throws. */
function finalize(error: Error): ClassifiedRequest {
  return {
    operation: 'finalize',
    payload: {},
    identifiers: [{ type: 'dns', value: 'www.example.org' }],
    csr: {
      names: [],
      key: { type: 'p256' },
      keyHash: '00',
      assertSignature: () => {
        throw error;
      },
    },
  };
}

describe('the signature of a CSR', () => {
  it('that does not verify is an objection', () => {
    const request = finalize(new AppError('POLICY_CSR', 'signature: does not verify'));
    const objection = objectionToContent({ policy: POLICY, request });
    assert.equal(objection?.setting, 'csr');
    assert.match(objection.problem, /signature: does not verify$/);
  });

  it('whose verification fails by a fault of ours is no objection: the fault is not hidden', () => {
    const request = finalize(new TypeError('a fault'));
    assert.throws(() => objectionToContent({ policy: POLICY, request }), /a fault/);
  });
});
