// The terminal of the person who started this process, for questions to them: our own and those of
// pinentry. Any process.

import { openSync, readlinkSync } from 'node:fs';
import { isatty } from 'node:tty';

/**
 * Opens the controlling terminal to read and write, whatever the standard descriptors are, so that
 * a pipe never answers a question and --stdio stays untouched.
 * @throws the system's error where this process has none
 */
export function openTerminal(): number {
  return openSync('/dev/tty', 'r+');
}

/**
 * Its path, for another program to open; undefined where none of the standard descriptors is a
 * terminal.
 */
export function terminalPath(): string | undefined {
  const fd = [0, 1, 2].find((standard) => isatty(standard));
  try {
    return fd === undefined ? undefined : readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}
