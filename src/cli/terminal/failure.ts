// How clavigerd and claviger report a failure: `NAME: error: ...`, `NAME: hint: ...`, and the exit
// code.

import type { ErrorCode } from '../../lib/error-codes.js';
import { isAppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { isJournal } from '../../sys/systemd.js';
import { exitCodeOfSignal, Interrupted } from './interrupted.js';
import { hasLostOutput, STDERR_FD, printStderr } from './standard-error.js';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
/** EX_IOERR of sysexits(3): output was lost. */
export const EXIT_OUTPUT_LOST = 74;

/**
 * Prints the failure to standard error. Nothing is printed when the reader of standard output has
 * closed it (`| head`).
 * @returns the exit code: 2 for usage and configuration, unsafe paths included; 74 for lost output
 */
export function reportFailure(program: string, error: unknown): number {
  const isLost = isAppError(error, 'SYS_OUTPUT');
  if (isLost && systemCodeOf(error.cause) === 'EPIPE') {
    return EXIT_OUTPUT_LOST;
  }
  const lines = messageOf(error).split('\n');
  const hint = isAppError(error) ? error.hint : undefined;
  const severity = isJournal(process.env, STDERR_FD) ? '<3>' : '';
  const printed = [
    ...lines.map((line) => `${severity}${program}: error: ${printable(line)}\n`),
    ...(hint?.split('\n') ?? []).map((line) => `${severity}${program}: hint: ${printable(line)}\n`),
  ];
  printStderr(printed.join(''));
  if (isLost) {
    return EXIT_OUTPUT_LOST;
  }
  if (error instanceof Interrupted) {
    return exitCodeOfSignal(error.signal);
  }
  return isAppError(error) && OF_CONFIGURATION.has(error.code) ? EXIT_USAGE : EXIT_FAILURE;
}

/**
 * The exit code of a command that is done: with lost output, on a full disk for instance, it
 * failed.
 */
export function withLostOutput(exitCode: number): number {
  return exitCode === EXIT_OK && hasLostOutput() ? EXIT_OUTPUT_LOST : exitCode;
}

/**
 * Failures that the next start would meet again until a file is changed: the shipped unit does not
 * restart after them (RestartPreventExitStatus=).
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
