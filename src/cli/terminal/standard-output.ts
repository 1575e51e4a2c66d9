// Standard output of clavigerd and claviger: the results of commands. Control characters are
// escaped, so that foreign text cannot control a terminal, and lost output is a failure.
// process.stdout is not used: on a full disk it reports success for a text of which a part was
// written.

import { writeSync } from 'node:fs';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { printableLines } from '../../lib/printable.js';

const STDOUT_FD = 1;
const FULL_PIPE_WAIT_MS = 5;
const JSON_INDENT = 2;

/**
 * Writes a text synchronously, and waits while its reader does not read.
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
      // The parent process has set the pipe to O_NONBLOCK.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_WAIT_MS);
    }
  }
}
