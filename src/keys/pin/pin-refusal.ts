// Decides when a PIN must not be sent, and what a refused one means. Pure; used in the daemon.
// A token counts wrong PINs and locks; a program that tries again uses the owner's tries up.

import { AppError, isAppError } from '../../lib/errors.js';
import type { TokenInfo } from '../../token/messages.js';

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

/** True when the token refused the PIN itself: the same PIN must not be sent again. */
export function isPinRefusal(error: unknown): error is AppError {
  return isAppError(error, 'TOKEN_PIN_INCORRECT') || isAppError(error, 'TOKEN_PIN_LOCKED');
}

/** True when the token will not log us in until a person does something. */
export function isPinTrouble(error: unknown): error is AppError {
  return isPinRefusal(error) || isAppError(error, 'KEY_PIN_HELD');
}

/** Return values of C_Login that say: the PIN was not looked at. PKCS#11 2.40 §5.6. */
const NOT_LOOKED_AT: ReadonlySet<string> = new Set([
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
  // A person at a PIN pad gave up.
  'CKR_FUNCTION_CANCELED',
]);

/**
 * True when a failed login certainly cost no try. What else goes wrong while a PIN is under way
 * (the card pulled, the helper killed) may have cost one.
 */
export function isUnusedTry(error: unknown): boolean {
  return NOT_LOOKED_AT.has(returnValueOf(error) ?? '');
}

function returnValueOf(error: unknown): string | undefined {
  return error instanceof Error ? /\bCKR_\w+/.exec(error.message)?.[0] : undefined;
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

const EXPLANATIONS: ReadonlyMap<string, Explanation> = new Map<string, Explanation>([
  ['CKR_PIN_INCORRECT', WRONG],
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

/** A refusal as people need it told. */
export function explainRefusal(refusal: AppError, token: Pick<TokenInfo, 'label'>): AppError {
  const { problem, hint } = EXPLANATIONS.get(returnValueOf(refusal) ?? '') ?? WRONG;
  return new AppError(refusal.code, `${nameOf(token)}: ${problem} (${refusal.message})`, {
    hint,
    cause: refusal,
  });
}

function nameOf({ label }: Pick<TokenInfo, 'label'>): string {
  return `token ${JSON.stringify(label)}`;
}
