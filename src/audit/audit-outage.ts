// The spell in which the audit log cannot be written: told once when it begins, and when it ends.
// Pure.

import { AppError, isAppError, messageOf } from '../lib/errors.js';

const SUBJECT = 'audit log: ';

/**
 * Takes what the operator should know; `error`: nothing is signed, or something was tampered with.
 */
export type TroubleListener = (level: 'error' | 'notice', message: string) => void;

export class AuditOutage {
  readonly #onTrouble: TroubleListener;
  #error: AppError | undefined;

  constructor(onTrouble: TroubleListener) {
    this.#onTrouble = onTrouble;
  }

  /** The latest failure; undefined while the log can be written. */
  get error(): AppError | undefined {
    return this.#error;
  }

  /** @returns what is thrown, AUDIT_WRITE. */
  begin(cause: unknown): AppError {
    const error = isAppError(cause, 'AUDIT_WRITE')
      ? cause
      : new AppError('AUDIT_WRITE', SUBJECT + reasonOf(cause), { cause });
    if (this.#error === undefined) {
      this.#onTrouble('error', `${error.message}; nothing is signed until it can be written`);
    }
    this.#error = error;
    return error;
  }

  end(): void {
    if (this.#error !== undefined) {
      this.#error = undefined;
      this.#onTrouble('notice', `${SUBJECT}it can be written again`);
    }
  }

  tell(problem: string): void {
    this.#onTrouble('error', SUBJECT + problem);
  }
}

/** The message of a failure without its subject. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message.startsWith(SUBJECT) ? message.slice(SUBJECT.length) : message;
}
