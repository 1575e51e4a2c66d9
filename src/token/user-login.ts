// Runs in the token helper: logs the user in, by one attempt. What a refusal means is for clavigerd
// to decide: a second attempt here could lock the PIN.

import pkcs11js from 'pkcs11js';
import type { Session } from './attributes.js';
import { ignoreFailure } from './module.js';
import { callToken, pkcs11FailureOf } from './pkcs11-failure.js';
import { TokenError } from './token-error.js';

/**
 * C_Login; a session that is logged in already is as good.
 * @param again true logs out first: some modules believe to be logged in when the card is not.
 * @throws AppError TOKEN_PIN_INCORRECT, TOKEN_PIN_LOCKED and other TOKEN_*
 */
export function logInUser({ lib, handle }: Session, pin: string, again: boolean): void {
  if (again) {
    // The helper has no other session, and nothing is going on in this one.
    ignoreFailure(() => {
      lib.C_Logout(handle);
    });
  }
  try {
    lib.C_Login(handle, pkcs11js.CKU_USER, pin);
  } catch (error) {
    const { name } = pkcs11FailureOf(error);
    // ykcs11 returns CKR_ARGUMENTS_BAD for a PIN of a length that it does not take.
    if (name === 'CKR_ARGUMENTS_BAD') {
      const message = `token: C_Login: ${name}`;
      throw new TokenError('TOKEN_PIN_INCORRECT', message, { returnValue: name, cause: error });
    }
    if (name !== 'CKR_USER_ALREADY_LOGGED_IN') {
      callToken('C_Login', () => {
        throw error;
      });
    }
  }
}
