// How both programs say that something went wrong: `NAME: error: ...`, `NAME: hint: ...`, exit code.

import { isAppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** Tells the failure on standard error, and gives the exit code: 2 for usage and configuration. */
export function reportFailure(program: string, error: unknown): number {
  const lines = messageOf(error).split('\n');
  const hint = isAppError(error) ? error.hint : undefined;
  const told = [
    ...lines.map((line) => `${program}: error: ${printable(line)}\n`),
    ...(hint === undefined ? [] : [`${program}: hint: ${printable(hint)}\n`]),
  ];
  process.stderr.write(told.join(''));
  return isAppError(error) && error.code.startsWith('CONFIG_') ? EXIT_USAGE : EXIT_FAILURE;
}
