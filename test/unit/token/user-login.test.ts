// The one attempt of a login, and what a module may return to it. The module is a double.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pkcs11js from 'pkcs11js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { returnValueOf } from '../../../src/token/token-error.js';
import { logInUser } from '../../../src/token/user-login.js';
import { appErrorOf } from '../../support/app-error.js';

const HANDLE = Buffer.alloc(8);

class LoginModule extends pkcs11js.PKCS11 {
  readonly calls: string[] = [];
  loginFailure: string | undefined;
  logoutFailure: string | undefined;

  override C_Login(_session: pkcs11js.Handle, user: number, pin?: string): void {
    this.calls.push(`C_Login ${user} ${pin ?? ''}`);
    throwNamed(this.loginFailure);
  }

  override C_Logout(): void {
    this.calls.push('C_Logout');
    throwNamed(this.logoutFailure);
  }
}

function throwNamed(name: string | undefined): void {
  if (name !== undefined) {
    throw Object.assign(new Error(name), { code: 5, method: 'C_Login' });
  }
}

describe('logInUser', () => {
  it('logs in as the user, and out first only when asked to', () => {
    const lib = new LoginModule();
    logInUser({ lib, handle: HANDLE }, '1234', false);
    assert.deepEqual(lib.calls, ['C_Login 1 1234']);
    logInUser({ lib, handle: HANDLE }, '1234', true);
    assert.deepEqual(lib.calls.slice(1), ['C_Logout', 'C_Login 1 1234']);
  });

  it('takes a session that is logged in already, or not yet, for what it is', () => {
    const lib = new LoginModule();
    lib.loginFailure = 'CKR_USER_ALREADY_LOGGED_IN';
    lib.logoutFailure = 'CKR_USER_NOT_LOGGED_IN';
    logInUser({ lib, handle: HANDLE }, '1234', true);
    assert.deepEqual(lib.calls, ['C_Logout', 'C_Login 1 1234']);
  });

  const refusals: readonly (readonly [string, ErrorCode])[] = [
    ['CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'],
    ['CKR_ARGUMENTS_BAD', 'TOKEN_PIN_INCORRECT'],
    ['CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED'],
    ['CKR_DEVICE_ERROR', 'TOKEN_FAILED'],
  ];
  for (const [name, code] of refusals) {
    it(`makes ${code} of ${name}, with the return value, after one attempt`, async () => {
      const lib = new LoginModule();
      lib.loginFailure = name;
      const error = await appErrorOf(() => {
        logInUser({ lib, handle: HANDLE }, 'geheim-4711', false);
      }, code);
      assert.equal(returnValueOf(error), name);
      assert.match(error.message, new RegExp(`^token: C_Login: ${name}`));
      assert.doesNotMatch(error.message, /geheim/);
      assert.equal(lib.calls.length, 1);
    });
  }
});
