// A time in which the audit log cannot be written ("outage"). It is logged once when it begins, and
// once when it ends. Pure; clavigerd, which signs nothing during an outage.

import { AppError, isAppError } from '../lib/errors.js';
import { reasonOf } from './audit-error.js';

const SUBJECT = 'audit log: ';

/** Logs a message for the operator. `error`: nothing is signed, or the log was tampered with. */
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

  /** Begins an outage, or continues it. @returns the error to throw, AUDIT_WRITE */
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

  /** Logs a problem with the file that is no outage. */
  report(problem: string): void {
    this.#onTrouble('error', SUBJECT + problem);
  }
}
