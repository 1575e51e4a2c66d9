// How both programs say that something went wrong: `NAME: error: ...`, `NAME: hint: ...`, exit code.

import type { ErrorCode } from '../lib/error-codes.js';
import { isAppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { isJournal } from '../sys/systemd.js';
import { writeStderr } from './standard-error.js';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

const STDERR_FD = 2;

/** Tells the failure on standard error, and gives the exit code: 2 for usage and configuration, unsafe paths among it. */
export function reportFailure(program: string, error: unknown): number {
  const lines = messageOf(error).split('\n');
  const hint = isAppError(error) ? error.hint : undefined;
  const severity = isJournal(process.env, STDERR_FD) ? '<3>' : '';
  const told = [
    ...lines.map((line) => `${severity}${program}: error: ${printable(line)}\n`),
    ...(hint?.split('\n') ?? []).map((line) => `${severity}${program}: hint: ${printable(line)}\n`),
  ];
  writeStderr(told.join(''));
  return isAppError(error) && OF_CONFIGURATION.has(error.code) ? EXIT_USAGE : EXIT_FAILURE;
}

/**
 * What the same start would fail over again, until somebody changes a file: the shipped unit does not try again
 * over these (RestartPreventExitStatus=).
 */
const OF_CONFIGURATION: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIG_FILE',
  'CONFIG_INVALID',
  'CONFIG_USAGE',
  'SYS_UNSAFE_PATH',
  'SYS_PATH',
  'KEY_URI',
  'KEY_FILE',
  'KEY_UNSUPPORTED',
  'TOKEN_MODULE',
]);
