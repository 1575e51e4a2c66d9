// Expecting an AppError of a certain code. Used by test processes only.

import assert from 'node:assert/strict';
import { AppError } from '../../src/lib/errors.js';
import type { ErrorCode } from '../../src/lib/error-codes.js';

/**
 * The AppError that `call` throws, or that its promise is rejected with; anything else fails the
 * test.
 */
export async function appErrorOf(call: () => unknown, code: ErrorCode): Promise<AppError> {
  let outcome: unknown;
  try {
    outcome = await call();
  } catch (error) {
    assert.ok(error instanceof AppError, `not an AppError: ${String(error)}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  return assert.fail(`no error, but ${String(outcome)}`);
}
