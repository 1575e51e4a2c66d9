// The errors of the audit log. Pure; clavigerd.

import { asAppError, messageOf, type AppError } from '../lib/errors.js';

const SUBJECT = 'audit log';

/** The error that the log cannot be written, AUDIT_WRITE; an AppError stays as it is. */
export function writeError(cause: unknown): AppError {
  return asAppError(cause, 'AUDIT_WRITE', SUBJECT);
}

/** Runs system calls. @throws AppError AUDIT_WRITE for a system error */
export function attempt<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw writeError(error);
  }
}

/** The message of an error, without the audit log as its subject. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message.startsWith(`${SUBJECT}: `) ? message.slice(SUBJECT.length + 2) : message;
}
