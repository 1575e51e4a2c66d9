// What a client gets for an internal error: a code of the protocol and a fixed sentence, and
// nothing of the error's own text. Pure; runs in clavigerd.

import { AppError } from '../lib/errors.js';
import type { ErrorCode } from '../lib/error-codes.js';
import type { Refusal } from '../protocol/refusal.js';

const REFUSALS: Partial<Record<ErrorCode, Refusal>> = {
  AUDIT_WRITE: { code: 'internal', detail: 'the signer cannot write its audit log' },
  SIGNER_BUDGET: { code: 'internal', detail: 'the signer cannot keep its budgets' },
  SIGNER_BUSY: { code: 'busy', detail: 'too many requests are waiting for the key' },
  TOKEN_ABSENT: { code: 'token-absent', detail: 'the token that holds the key is not there' },
  TOKEN_NOT_FOUND: { code: 'token-absent', detail: 'the token that holds the key is not there' },
  TOKEN_PIN_INCORRECT: { code: 'token-locked', detail: 'the token did not take the PIN' },
  TOKEN_PIN_LOCKED: { code: 'token-locked', detail: 'the PIN of the token is locked' },
  KEY_PIN_HELD: { code: 'token-locked', detail: 'no PIN is tried at the token now' },
  TOKEN_TIMEOUT: { code: 'timeout', detail: 'the token did not answer in time' },
};

const INTERNAL: Refusal = {
  code: 'internal',
  detail: 'the signer could not sign; its log says why',
};

/** The refusal a client gets for an error; everything not in the table is `internal`. */
export function refusalOf(error: unknown): Refusal {
  return (error instanceof AppError ? REFUSALS[error.code] : undefined) ?? INTERNAL;
}
