// How both programs say that something went wrong: `NAME: error: ...`, `NAME: hint: ...`, exit
// code.

import type { ErrorCode } from '../../lib/error-codes.js';
import { isAppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { isJournal } from '../../sys/systemd.js';
import { exitCodeOfSignal, Interrupted } from './interrupted.js';
import { hasLostWords, STDERR_FD, tellStderr } from './standard-error.js';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
/** EX_IOERR of sysexits(3): what was to be told is lost. */
export const EXIT_OUTPUT_LOST = 74;

/**
 * Tells the failure on standard error, and gives the exit code: 2 for usage and configuration,
 * unsafe paths among it; 74 for output that is lost. A reader that has left (`| head`) knows that
 * itself.
 */
export function reportFailure(program: string, error: unknown): number {
  const isLost = isAppError(error, 'SYS_OUTPUT');
  if (isLost && systemCodeOf(error.cause) === 'EPIPE') {
    return EXIT_OUTPUT_LOST;
  }
  const lines = messageOf(error).split('\n');
  const hint = isAppError(error) ? error.hint : undefined;
  const severity = isJournal(process.env, STDERR_FD) ? '<3>' : '';
  const told = [
    ...lines.map((line) => `${severity}${program}: error: ${printable(line)}\n`),
    ...(hint?.split('\n') ?? []).map((line) => `${severity}${program}: hint: ${printable(line)}\n`),
  ];
  tellStderr(told.join(''));
  if (isLost) {
    return EXIT_OUTPUT_LOST;
  }
  if (error instanceof Interrupted) {
    return exitCodeOfSignal(error.signal);
  }
  return isAppError(error) && OF_CONFIGURATION.has(error.code) ? EXIT_USAGE : EXIT_FAILURE;
}

/**
 * The exit code of a command that is done: one whose words were lost, on a full disk for instance,
 * has failed.
 */
export function withLostOutput(exitCode: number): number {
  return exitCode === EXIT_OK && hasLostWords() ? EXIT_OUTPUT_LOST : exitCode;
}

/**
 * What the same start would fail over again, until somebody changes a file: the shipped unit does
 * not try again over these (RestartPreventExitStatus=).
 */
const OF_CONFIGURATION: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIG_FILE',
  'CONFIG_INVALID',
  'CONFIG_USAGE',
  'SYS_UNSAFE_PATH',
  'SYS_PATH',
  'KEY_URI',
  'KEY_FILE',
  'KEY_DECRYPT',
  'KEY_UNSUPPORTED',
  'KEY_PIN_SOURCE',
  'TOKEN_MODULE',
]);
