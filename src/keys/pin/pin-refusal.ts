// What a token says of its PIN: when no PIN may be sent, which failures are refusals, and what to
// do about them. Runs in clavigerd and its commands. Pure. A token counts wrong PINs and locks; a
// program that tries again uses up the tries of its owner.

import { AppError, isAppError } from '../../lib/errors.js';
import type { TokenInfo } from '../../token/messages.js';
import { returnValueOf, TokenError } from '../../token/token-error.js';

/** An error with which a token, or this program in its place, refuses a PIN. */
export type PinRefusal = AppError & { readonly code: 'TOKEN_PIN_INCORRECT' | 'TOKEN_PIN_LOCKED' };

const UNLOCK_HINT =
  'unlock it with the PUK or the SO PIN and the tool of the token (ykman piv access unblock-pin, pkcs15-tool --unblock-pin, pkcsconf -u, tpm2_dictionarylockout -c), then run: clavigerd pin clear';

/**
 * Refuses a login that would find the token locked, or could lock it.
 * @throws AppError TOKEN_PIN_LOCKED
 */
export function assertLoginIsSafe(token: Pick<TokenInfo, 'label' | 'pinState'>): void {
  if (token.pinState === 'locked') {
    throw new AppError('TOKEN_PIN_LOCKED', `${nameOf(token)}: the PIN is locked`, {
      hint: UNLOCK_HINT,
    });
  }
  if (token.pinState === 'final-try') {
    throw new AppError(
      'TOKEN_PIN_LOCKED',
      `${nameOf(token)}: one PIN try is left; it is not used here`,
      {
        hint: 'log in once by hand with the right PIN, which resets the count: pkcs11-tool --login --list-objects',
      },
    );
  }
}

/** True when the token refused the PIN: the same PIN must not be sent again. */
export function isPinRefusal(error: unknown): error is PinRefusal {
  return isAppError(error, 'TOKEN_PIN_INCORRECT') || isAppError(error, 'TOKEN_PIN_LOCKED');
}

/** True when no login will succeed until a person does something. */
export function isPinTrouble(error: unknown): error is AppError {
  return isPinRefusal(error) || isAppError(error, 'KEY_PIN_HELD');
}

/** Return values of C_Login after which the PIN was not compared. PKCS#11 2.40 §5.6. */
const NOT_COMPARED: ReadonlySet<string> = new Set([
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
  // A person cancelled at a PIN pad.
  'CKR_FUNCTION_CANCELED',
]);

/**
 * True when a failed login certainly cost no try. Any other failure (the card was pulled, the
 * helper killed) may have cost one.
 */
export function isUnusedTry(error: unknown): boolean {
  return NOT_COMPARED.has(returnValueOf(error) ?? '');
}

interface Explanation {
  readonly problem: string;
  readonly hint: string;
}

const NOT_AGAIN = 'one attempt was made and no other will be';
const WRONG: Explanation = {
  problem: 'the PIN is wrong',
  hint: `${NOT_AGAIN} until the PIN source changes; correct it, or run: clavigerd pin clear`,
};
const WRONG_LENGTH: Explanation = {
  problem: 'the PIN is shorter or longer than the token takes',
  hint: `most tokens count no try for it, yet ${NOT_AGAIN} until the PIN source changes`,
};

/** By return value; any other, CKR_PIN_INCORRECT among them, means that the PIN is wrong. */
const EXPLANATIONS: ReadonlyMap<string, Explanation> = new Map<string, Explanation>([
  ['CKR_PIN_LEN_RANGE', WRONG_LENGTH],
  // ykcs11 says so of a PIN whose length it does not like.
  ['CKR_ARGUMENTS_BAD', WRONG_LENGTH],
  ['CKR_PIN_INVALID', { ...WRONG, problem: 'the PIN has characters the token does not take' }],
  ['CKR_PIN_LOCKED', { problem: 'the PIN is locked', hint: UNLOCK_HINT }],
  [
    'CKR_PIN_EXPIRED',
    {
      problem: 'the PIN has expired',
      hint: 'set a new PIN with the tool of the token, put it into the PIN source, then run: clavigerd pin clear',
    },
  ],
]);

/** A refusal with the name of the token, what it means, and what to do. */
export function explainRefusal(refusal: PinRefusal, token: Pick<TokenInfo, 'label'>): TokenError {
  const returnValue = returnValueOf(refusal);
  const { problem, hint } = EXPLANATIONS.get(returnValue ?? '') ?? WRONG;
  return new TokenError(refusal.code, `${nameOf(token)}: ${problem} (${refusal.message})`, {
    returnValue,
    hint,
    cause: refusal,
  });
}

function nameOf({ label }: Pick<TokenInfo, 'label'>): string {
  return `token ${JSON.stringify(label)}`;
}
