// The error type that has a message for people and a code for programs. Pure; used by every
// process. Messages must never hold a secret: PINs, passphrases and private keys stay in `Secret`.

import { ERROR_CODES, type ErrorCode } from './error-codes.js';

export interface AppErrorOptions {
  /** What the reader can do about it, as a sentence without a full stop. */
  hint?: string | undefined;
  cause?: unknown;
}

/** An error with a stable code, a sentence `subject: problem`, and often a hint. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.hint = options.hint;
  }
}

/** True when `error` is an `AppError`, of the given code if one is named. */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** True when `error` is an `AppError` with one of the codes of a folder. */
export function isErrorOf(error: unknown, folder: keyof typeof ERROR_CODES): error is AppError {
  const codes: readonly ErrorCode[] = ERROR_CODES[folder];
  return isAppError(error) && codes.includes(error.code);
}

/**
 * Anything that can be thrown as an `AppError`: what is one stays as it is.
 * @param code of the new error
 * @param subject of its message, where the thrown one names none
 */
export function asAppError(error: unknown, code: ErrorCode, subject?: string): AppError {
  if (isAppError(error)) {
    return error;
  }
  const problem = messageOf(error);
  const message = subject === undefined ? problem : `${subject}: ${problem}`;
  return new AppError(code, message, { cause: error });
}

/** The same error with another message or another hint; the first one becomes its cause. */
export function rephrase(
  error: AppError,
  { message = error.message, hint = error.hint }: { message?: string; hint?: string },
): AppError {
  return new AppError(error.code, message, { hint, cause: error });
}

/**
 * The first line of an error's hint, for a log, where an event is one line. The hint may go on with
 * a table.
 */
export function hintLineOf(error: unknown): string | undefined {
  return isAppError(error) ? error.hint?.split('\n', 1)[0] : undefined;
}

/** The message of anything that can be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` that Node's system errors carry (`ENOENT`, ...), or undefined. */
export function systemCodeOf(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return undefined;
}
