// Standard error of both programs: the daemon's log and what commands say beside their result. What
// is written there has been looked at, so that no foreign text reaches a terminal as a command to
// it. Not process.stderr: that stream turns a reader that went away into an error event, and a slow
// one into memory.

import { writeSync } from 'node:fs';
import { systemCodeOf } from '../../lib/errors.js';
import { printableLines } from '../../lib/printable.js';

export const STDERR_FD = 2;

let isSomethingLost = false;

/**
 * Writes lines at once. A pipe that blocks, and that nobody reads, stops the program when it is
 * full, as it stops any.
 * @returns undefined when all of it is written, else the code of the system's error.
 */
export function writeStderr(lines: string): string | undefined {
  return writeBytes(printableLines(lines));
}

/**
 * The same for errors, warnings and notes: one that is lost makes the command fail, see
 * `hasLostWords`.
 */
export function tellStderr(lines: string): void {
  isSomethingLost = writeStderr(lines) !== undefined || isSomethingLost;
}

/**
 * The same for what is under way. It is no result, and a command that has done its work has not
 * failed because nobody watched it: what runs after `claviger renew &&` has to run.
 */
export function tellProgress(lines: string): void {
  writeStderr(lines);
}

/**
 * Progress in a line that is written over by the next one, for a terminal. @param text our own
 * words
 */
export function showProgress(text: string): void {
  writeBytes(`\r${text}`);
}

/**
 * True when a command has said something that nobody can have heard, and that was more than
 * progress.
 */
export function hasLostWords(): boolean {
  return isSomethingLost;
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
