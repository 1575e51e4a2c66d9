// Decides when a PIN must not be sent, and what a refused one means. Pure; used in the daemon.
// A token counts wrong PINs and locks; a program that tries again uses the owner's tries up.

import { AppError, isAppError } from '../lib/errors.js';
import type { TokenInfo } from '../token/messages.js';

/**
 * Refuses a login that would find the token locked, or could lock it.
 * @throws AppError TOKEN_PIN_LOCKED
 */
export function assertLoginIsSafe(token: Pick<TokenInfo, 'label' | 'pinState'>): void {
  const name = `token ${JSON.stringify(token.label)}`;
  if (token.pinState === 'locked') {
    throw new AppError('TOKEN_PIN_LOCKED', `${name}: the PIN is locked`, {
      hint: 'unlock it with the PUK or the SO PIN and the tool of the token',
    });
  }
  if (token.pinState === 'final-try') {
    throw new AppError('TOKEN_PIN_LOCKED', `${name}: one PIN try is left; it is not used here`, {
      hint: 'log in once by hand with the right PIN, which resets the count: pkcs11-tool --login --list-objects',
    });
  }
}

/** True when the token refused the PIN itself: the same PIN must not be sent again. */
export function isPinRefusal(error: unknown): error is AppError {
  return isAppError(error, 'TOKEN_PIN_INCORRECT') || isAppError(error, 'TOKEN_PIN_LOCKED');
}

/** A refusal as people need it told. */
export function explainRefusal(refusal: AppError, token: Pick<TokenInfo, 'label'>): AppError {
  const name = `token ${JSON.stringify(token.label)}`;
  const problem =
    refusal.code === 'TOKEN_PIN_LOCKED' ? 'the PIN is locked or expired' : 'the PIN is wrong';
  return new AppError(refusal.code, `${name}: ${problem} (${refusal.message})`, {
    hint: 'one attempt was made and no other will be; correct the PIN source, then start again',
    cause: refusal,
  });
}
