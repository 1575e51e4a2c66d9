// Standard error of clavigerd and claviger: the daemon's log, and the messages of commands. Control
// characters are escaped, so that foreign text cannot control a terminal. process.stderr is not
// used: it turns a reader that has closed the pipe into an error event, and buffers without limit
// for a slow one.

import { writeSync } from 'node:fs';
import { systemCodeOf } from '../../lib/errors.js';
import { printableLines } from '../../lib/printable.js';

export const STDERR_FD = 2;

let isOutputLost = false;

/**
 * Writes lines synchronously. A full pipe that nobody reads blocks the program, as it does any.
 * @returns undefined when all of it is written, else the code of the system's error.
 */
export function writeStderr(lines: string): string | undefined {
  return writeBytes(printableLines(lines));
}

/**
 * The same for errors, warnings and notes: one that is lost makes the command fail, see
 * `hasLostOutput`.
 */
export function printStderr(lines: string): void {
  isOutputLost = writeStderr(lines) !== undefined || isOutputLost;
}

/**
 * The same for progress. It is no result: a command that has done its work does not fail because
 * its progress was lost, and what follows `claviger renew &&` has to run.
 */
export function printProgress(lines: string): void {
  writeStderr(lines);
}

/** Progress on a terminal, in a line that the next call overwrites. @param text no foreign text */
export function showProgress(text: string): void {
  writeBytes(`\r${text}`);
}

/** True when an error, a warning or a note could not be written. */
export function hasLostOutput(): boolean {
  return isOutputLost;
}

function writeBytes(text: string): string | undefined {
  const bytes = Buffer.from(text);
  try {
    for (let written = 0; written < bytes.length;) {
      written += writeSync(STDERR_FD, bytes, written);
    }
    return undefined;
  } catch (error) {
    return systemCodeOf(error) ?? 'unknown';
  }
}
