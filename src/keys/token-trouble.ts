// Which failures of a token may end without a change of the configuration. Pure; runs in clavigerd
// and `clavigerd key`.

import { isAppError } from '../lib/errors.js';
import type { ErrorCode } from '../lib/error-codes.js';

const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOKEN_ABSENT',
  'TOKEN_NOT_FOUND',
  'TOKEN_PIN_INCORRECT',
  'TOKEN_PIN_LOCKED',
  'KEY_PIN_HELD',
  'TOKEN_TIMEOUT',
  'TOKEN_HELPER',
  'TOKEN_FAILED',
]);

/** True for a token that is absent, locked or out of order: clavigerd waits for it. */
export function mayPass(error: unknown): boolean {
  return isAppError(error) && PASSING.has(error.code);
}
