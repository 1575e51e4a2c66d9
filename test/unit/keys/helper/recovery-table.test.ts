// The ladder as a table: each failure starts where it should, and whatever happens, it ends.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decideRecovery,
  LADDER,
  REMEDY_OF_RETURN_VALUE,
  type Failure,
  type Remedy,
  type Rung,
} from '../../../../src/keys/helper/recovery-table.js';
import { ERROR_CODES, type ErrorCode } from '../../../../src/lib/error-codes.js';

function isRung(remedy: Remedy): remedy is Rung {
  return remedy !== 'request' && remedy !== 'operator';
}

const anyFailure: fc.Arbitrary<Failure> = fc.record({
  code: fc.constantFrom(...ERROR_CODES.token),
  returnValue: fc.option(fc.constantFrom(...REMEDY_OF_RETURN_VALUE.keys(), 'CKR_VENDOR_DEFINED'), {
    nil: undefined,
  }),
});

/** The whole table: a change of it is a change of behaviour, and is made in two places. */
const TABLE: Readonly<Record<string, readonly string[]>> = {
  'find-key': ['CKR_OBJECT_HANDLE_INVALID', 'CKR_KEY_HANDLE_INVALID', 'CKR_KEY_CHANGED'],
  'new-session': [
    'CKR_SESSION_HANDLE_INVALID',
    'CKR_SESSION_CLOSED',
    'CKR_OPERATION_ACTIVE',
    'CKR_OPERATION_NOT_INITIALIZED',
    'CKR_SLOT_ID_INVALID',
    'CKR_DEVICE_REMOVED',
    'CKR_TOKEN_NOT_PRESENT',
  ],
  'log-in': ['CKR_USER_NOT_LOGGED_IN'],
  reinitialise: [
    'CKR_CRYPTOKI_NOT_INITIALIZED',
    'CKR_TOKEN_NOT_RECOGNIZED',
    'CKR_DEVICE_ERROR',
    'CKR_DEVICE_MEMORY',
    'CKR_GENERAL_ERROR',
    'CKR_FUNCTION_FAILED',
    'CKR_SESSION_COUNT',
    'CKR_TOKEN_RESOURCE_EXCEEDED',
  ],
  'new-helper': [
    'CKR_HOST_MEMORY',
    'CKR_CANT_LOCK',
    'CKR_MUTEX_BAD',
    'CKR_MUTEX_NOT_LOCKED',
    'CKR_BUFFER_TOO_SMALL',
  ],
  request: [
    'CKR_FUNCTION_CANCELED',
    'CKR_FUNCTION_REJECTED',
    'CKR_DATA_INVALID',
    'CKR_DATA_LEN_RANGE',
  ],
  operator: [
    'CKR_PIN_INCORRECT',
    'CKR_PIN_INVALID',
    'CKR_PIN_LEN_RANGE',
    'CKR_PIN_LOCKED',
    'CKR_PIN_EXPIRED',
    'CKR_USER_PIN_NOT_INITIALIZED',
    'CKR_USER_ANOTHER_ALREADY_LOGGED_IN',
    'CKR_USER_TOO_MANY_TYPES',
    'CKR_USER_TYPE_INVALID',
    'CKR_KEY_FUNCTION_NOT_PERMITTED',
    'CKR_KEY_TYPE_INCONSISTENT',
    'CKR_KEY_SIZE_RANGE',
    'CKR_KEY_EXHAUSTED',
    'CKR_CURVE_NOT_SUPPORTED',
    'CKR_MECHANISM_INVALID',
    'CKR_MECHANISM_PARAM_INVALID',
  ],
};

const CODES: Partial<Record<ErrorCode, Remedy>> = {
  TOKEN_PIN_INCORRECT: 'operator',
  TOKEN_PIN_LOCKED: 'operator',
  KEY_PIN_HELD: 'operator',
  KEY_PIN: 'operator',
  SYS_FILE: 'operator',
  SYS_UNSAFE_PATH: 'operator',
  TOKEN_AMBIGUOUS: 'operator',
  TOKEN_KEY_AMBIGUOUS: 'operator',
  TOKEN_KEY_UNSUPPORTED: 'operator',
  TOKEN_NOT_FOUND: 'new-session',
  TOKEN_KEY_NOT_FOUND: 'new-session',
  TOKEN_MODULE: 'new-helper',
  TOKEN_HELPER: 'new-helper',
  TOKEN_TIMEOUT: 'back-off',
};

describe('the recovery table', () => {
  it('has these return values, and no others', () => {
    const rows = Object.entries(TABLE).flatMap(([remedy, names]) =>
      names.map((name) => [name, remedy] as const),
    );
    assert.deepEqual(new Map(rows), REMEDY_OF_RETURN_VALUE);
  });

  it('starts each code without a return value at its remedy, all others at a new helper', () => {
    for (const code of Object.values(ERROR_CODES).flat()) {
      assert.equal(decideRecovery({ code }, undefined), CODES[code] ?? 'new-helper', code);
    }
  });

  it('follows the return value where the code does not ask for the operator', () => {
    const returnValue = 'CKR_SESSION_CLOSED';
    assert.equal(decideRecovery({ code: 'TOKEN_MODULE', returnValue }, undefined), 'new-session');
    assert.equal(decideRecovery({ code: 'TOKEN_AMBIGUOUS', returnValue }, undefined), 'operator');
  });
});

describe('decideRecovery', () => {
  const rows: readonly (readonly [Failure, Remedy])[] = [
    [{ code: 'TOKEN_FAILED', returnValue: 'CKR_OBJECT_HANDLE_INVALID' }, 'find-key'],
    [{ code: 'TOKEN_FAILED', returnValue: 'CKR_SESSION_HANDLE_INVALID' }, 'new-session'],
    [{ code: 'TOKEN_ABSENT', returnValue: 'CKR_DEVICE_REMOVED' }, 'new-session'],
    [{ code: 'TOKEN_FAILED', returnValue: 'CKR_USER_NOT_LOGGED_IN' }, 'log-in'],
    [{ code: 'TOKEN_FAILED', returnValue: 'CKR_GENERAL_ERROR' }, 'reinitialise'],
    [{ code: 'TOKEN_FAILED', returnValue: 'CKR_VENDOR_DEFINED' }, 'new-helper'],
    [{ code: 'TOKEN_FAILED' }, 'new-helper'],
    [{ code: 'TOKEN_HELPER' }, 'new-helper'],
    [{ code: 'TOKEN_TIMEOUT' }, 'back-off'],
    [{ code: 'TOKEN_FAILED', returnValue: 'CKR_FUNCTION_CANCELED' }, 'request'],
    [{ code: 'TOKEN_PIN_INCORRECT', returnValue: 'CKR_PIN_INCORRECT' }, 'operator'],
    // ykcs11 says so to a PIN of a wrong length.
    [{ code: 'TOKEN_PIN_INCORRECT', returnValue: 'CKR_ARGUMENTS_BAD' }, 'operator'],
    [{ code: 'TOKEN_KEY_UNSUPPORTED' }, 'operator'],
    [{ code: 'TOKEN_NOT_FOUND' }, 'new-session'],
    [{ code: 'TOKEN_MODULE', returnValue: 'CKR_GENERAL_ERROR' }, 'reinitialise'],
  ];
  for (const [failure, remedy] of rows) {
    it(`starts ${failure.returnValue ?? failure.code} at ${remedy}`, () => {
      assert.equal(decideRecovery(failure, undefined), remedy);
    });
  }

  it('goes on from the rung that was reached, and never down', () => {
    const failure: Failure = { code: 'TOKEN_FAILED', returnValue: 'CKR_SESSION_CLOSED' };
    assert.equal(decideRecovery(failure, 'find-key'), 'new-session');
    assert.equal(decideRecovery(failure, 'new-session'), 'log-in');
    assert.equal(decideRecovery(failure, 'new-helper'), 'back-off');
    assert.equal(decideRecovery({ code: 'TOKEN_HELPER' }, 'find-key'), 'new-helper');
  });

  it('ends after at most as many steps as there are rungs, whatever fails', () => {
    fc.assert(
      fc.property(fc.array(anyFailure, { minLength: 20, maxLength: 20 }), (failures) => {
        let reached: Rung | undefined;
        let steps = 0;
        for (const failure of failures) {
          const remedy = decideRecovery(failure, reached);
          if (!isRung(remedy) || remedy === 'back-off') {
            break;
          }
          reached = remedy;
          steps += 1;
        }
        assert.ok(steps < LADDER.length);
      }),
    );
  });

  it('never tries anything after a refused PIN', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('TOKEN_PIN_INCORRECT' as const, 'TOKEN_PIN_LOCKED' as const),
        fc.option(fc.constantFrom(...REMEDY_OF_RETURN_VALUE.keys()), { nil: undefined }),
        fc.option(fc.constantFrom(...LADDER), { nil: undefined }),
        (code, returnValue, reached) => {
          assert.equal(decideRecovery({ code, returnValue }, reached), 'operator');
        },
      ),
    );
  });
});
