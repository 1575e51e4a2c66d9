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
import { ERROR_CODES } from '../../../../src/lib/error-codes.js';

function isRung(remedy: Remedy): remedy is Rung {
  return remedy !== 'request' && remedy !== 'operator';
}

const anyFailure: fc.Arbitrary<Failure> = fc.record({
  code: fc.constantFrom(...ERROR_CODES.token),
  returnValue: fc.option(fc.constantFrom(...REMEDY_OF_RETURN_VALUE.keys(), 'CKR_VENDOR_DEFINED'), {
    nil: undefined,
  }),
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
