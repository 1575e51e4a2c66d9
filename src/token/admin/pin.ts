// Runs in the token helper, for `clavigerd key`: changes the PIN of the user, or sets a new one
// with the PIN of the security officer. One attempt each; the length of a new PIN is checked first,
// so that no try is used up for one that the token cannot accept.

import pkcs11js from 'pkcs11js';
import { AppError } from '../../lib/errors.js';
import type { OpenToken } from '../attributes.js';
import { callToken, pkcs11FailureOf } from '../pkcs11-failure.js';
import { TokenError } from '../token-error.js';

/** Return values for a new PIN that the token refuses, rather than the old one. */
const NEW_PIN_REFUSALS: ReadonlySet<string | undefined> = new Set([
  'CKR_PIN_LEN_RANGE',
  'CKR_PIN_INVALID',
]);

/**
 * C_SetPIN for the user, who is logged in.
 * @throws AppError TOKEN_PIN_INCORRECT or TOKEN_PIN_LOCKED for the old PIN; TOKEN_FAILED for the
 *   new one
 */
export function changePin({ lib, slot, handle }: OpenToken, pin: string, newPin: string): void {
  assertPinLength(lib, slot, newPin, 'the new PIN');
  setPin('C_SetPIN', () => {
    lib.C_SetPIN(handle, pin, newPin);
  });
}

/**
 * C_InitPIN for the security officer, who is logged in: for a PIN that is locked or forgotten.
 * @throws AppError TOKEN_FAILED
 */
export function unblockPin({ lib, slot, handle }: OpenToken, newPin: string): void {
  assertPinLength(lib, slot, newPin, 'the new PIN');
  setPin('C_InitPIN', () => {
    lib.C_InitPIN(handle, newPin);
  });
}

/** One attempt. @throws AppError TOKEN_PIN_INCORRECT, TOKEN_PIN_LOCKED, TOKEN_FAILED */
export function logInOfficer({ lib, handle }: OpenToken, soPin: string): void {
  callToken('C_Login of the security officer', () => {
    lib.C_Login(handle, pkcs11js.CKU_SO, soPin);
  });
}

function setPin(what: string, call: () => void): void {
  try {
    call();
  } catch (error) {
    const { name } = pkcs11FailureOf(error);
    if (NEW_PIN_REFUSALS.has(name)) {
      throw new TokenError(
        'TOKEN_FAILED',
        `token: it refuses the new PIN (${what}: ${name ?? ''})`,
        {
          hint: 'the PIN is unchanged; the token has rules for the length or the characters of a PIN',
          returnValue: name,
          cause: error,
        },
      );
    }
    callToken(what, () => {
      throw error;
    });
  }
}

/**
 * Checks a PIN against the lengths that the token allows; senseless limits are ignored.
 * @throws AppError TOKEN_FAILED
 */
export function assertPinLength(
  lib: pkcs11js.PKCS11,
  slot: pkcs11js.Handle,
  pin: string,
  what: string,
): void {
  const { minPinLen, maxPinLen } = callToken('C_GetTokenInfo', () => lib.C_GetTokenInfo(slot));
  const length = Buffer.byteLength(pin, 'utf8');
  if (maxPinLen >= minPinLen && maxPinLen > 0 && (length < minPinLen || length > maxPinLen)) {
    throw new AppError('TOKEN_FAILED', `token: ${what} has a length it does not take`, {
      hint: `the token takes ${minPinLen} to ${maxPinLen} bytes; nothing was changed`,
    });
  }
}
