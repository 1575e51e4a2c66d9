// When a PIN is not sent at all, and what a failed login means. SoftHSM never locks a PIN, so the
// states and return values of tokens are given here.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  assertLoginIsSafe,
  explainRefusal,
  isPinRefusal,
  isPinTrouble,
  isUnusedTry,
} from '../../../../src/keys/pin/pin-refusal.js';
import { AppError } from '../../../../src/lib/errors.js';
import { TokenError } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';

/** As the helper reports a failed C_Login. */
function failedLogin(returnValue: string): TokenError {
  return new TokenError('TOKEN_PIN_INCORRECT', `token: C_Login: ${returnValue}`, { returnValue });
}

describe('a login', () => {
  it('is tried while the token has tries left', () => {
    for (const pinState of ['ok', 'count-low'] as const) {
      assertLoginIsSafe({ label: 'acme', pinState });
    }
  });

  it('is not tried on a locked token, nor with its last try', async () => {
    const expected = [
      ['locked', 'token "acme": the PIN is locked', /PUK.*then run: clavigerd pin clear$/],
      [
        'final-try',
        'token "acme": one PIN try is left; it is not used here',
        /^log in once by hand with the right PIN/,
      ],
    ] as const;
    for (const [pinState, message, hint] of expected) {
      const error = await appErrorOf(() => {
        assertLoginIsSafe({ label: 'acme', pinState });
      }, 'TOKEN_PIN_LOCKED');
      assert.equal(error.message, message);
      assert.match(error.hint ?? '', hint);
    }
  });
});

describe('a refused PIN', () => {
  it('is one by the code of its error', () => {
    const codes = [
      'TOKEN_PIN_INCORRECT',
      'TOKEN_PIN_LOCKED',
      'KEY_PIN_HELD',
      'TOKEN_FAILED',
    ] as const;
    const errors = codes.map((code) => new AppError(code, 'x'));
    assert.deepEqual(errors.map(isPinRefusal), [true, true, false, false]);
    assert.deepEqual(errors.map(isPinTrouble), [true, true, true, false]);
  });

  it('is explained by its return value, with the token and what to do', () => {
    const explained = [
      ['CKR_PIN_INCORRECT', 'the PIN is wrong', /until the PIN source changes; correct it/],
      ['CKR_PIN_LEN_RANGE', 'the PIN is shorter or longer than the token takes', /count no try/],
      ['CKR_ARGUMENTS_BAD', 'the PIN is shorter or longer than the token takes', /count no try/],
      ['CKR_PIN_INVALID', 'the PIN has characters the token does not take', /correct it/],
      ['CKR_PIN_LOCKED', 'the PIN is locked', /PUK/],
      ['CKR_PIN_EXPIRED', 'the PIN has expired', /^set a new PIN with the tool of the token/],
      ['CKR_OF_A_VENDOR', 'the PIN is wrong', /until the PIN source changes; correct it/],
    ] as const;
    for (const [returnValue, problem, hint] of explained) {
      const refusal = failedLogin(returnValue);
      assert.ok(isPinRefusal(refusal));
      const error = explainRefusal(refusal, { label: 'acme' });
      assert.equal(error.message, `token "acme": ${problem} (token: C_Login: ${returnValue})`);
      assert.match(error.hint ?? '', hint, returnValue);
      assert.equal(error.returnValue, returnValue);
      assert.equal(error.code, 'TOKEN_PIN_INCORRECT');
      assert.equal(error.cause, refusal);
    }
  });

  it('is not explained by the text of its message', () => {
    const refusal = new TokenError('TOKEN_PIN_INCORRECT', 'token: CKR_PIN_LOCKED or so');
    assert.ok(isPinRefusal(refusal));
    assert.match(explainRefusal(refusal, { label: 'acme' }).message, /: the PIN is wrong \(/);
  });
});

describe('a failed login', () => {
  it('cost no try where the token did not compare the PIN', () => {
    for (const returnValue of [
      'CKR_TOKEN_NOT_PRESENT',
      'CKR_SESSION_HANDLE_INVALID',
      'CKR_SESSION_CLOSED',
      'CKR_CRYPTOKI_NOT_INITIALIZED',
      'CKR_USER_PIN_NOT_INITIALIZED',
      'CKR_USER_ANOTHER_ALREADY_LOGGED_IN',
      'CKR_USER_TOO_MANY_TYPES',
      'CKR_USER_TYPE_INVALID',
      'CKR_FUNCTION_NOT_SUPPORTED',
      'CKR_SESSION_READ_ONLY_EXISTS',
      'CKR_FUNCTION_CANCELED',
    ]) {
      assert.ok(isUnusedTry(new TokenError('TOKEN_FAILED', 'x', { returnValue })), returnValue);
    }
  });

  it('may have cost one in every other case, whatever its message says', () => {
    assert.ok(!isUnusedTry(failedLogin('CKR_DEVICE_REMOVED')));
    assert.ok(!isUnusedTry(new TokenError('TOKEN_TIMEOUT', 'token: no answer')));
    assert.ok(!isUnusedTry(new AppError('TOKEN_FAILED', 'token: CKR_TOKEN_NOT_PRESENT')));
    assert.ok(!isUnusedTry(undefined));
  });
});
