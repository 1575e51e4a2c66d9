// Standard output of both programs: the one way out for the result of a command. What is written
// there has been looked at, so that no foreign text reaches a terminal as a command to it; and what
// is lost is a failure. Not process.stdout: for a file that stream takes a part of a text for the
// whole when the disk is full.

import { writeSync } from 'node:fs';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { printableLines } from '../../lib/printable.js';

const STDOUT_FD = 1;
const FULL_PIPE_WAIT_MS = 5;
const JSON_INDENT = 2;

/**
 * Writes a text at once, and waits for as long as its reader does not take it, as any program does.
 * @param text whole lines
 * @throws AppError SYS_OUTPUT when a part of it is lost; its cause has the code EPIPE when the
 *   reader has left.
 */
export function printText(text: string): void {
  try {
    writeWhole(Buffer.from(printableLines(text)));
  } catch (error) {
    throw new AppError('SYS_OUTPUT', `standard output: ${messageOf(error)}`, { cause: error });
  }
}

/** The same for lines, each gets its newline. @throws AppError SYS_OUTPUT */
export function printLines(lines: readonly string[]): void {
  printText(lines.map((line) => `${line}\n`).join(''));
}

/** A value as JSON. @throws AppError SYS_OUTPUT */
export function printJson(value: unknown): void {
  printText(`${JSON.stringify(value, undefined, JSON_INDENT)}\n`);
}

function writeWhole(bytes: Buffer): void {
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(STDOUT_FD, bytes, written);
    } catch (error) {
      if (systemCodeOf(error) !== 'EAGAIN') {
        throw error;
      }
      // Whoever started this program made the pipe one that does not block.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
    }
  }
}
