// Lines to standard error, for the daemon's log and the client's words. Not process.stderr: that stream
// turns a reader that went away into an error event, and a slow one into memory.

import { writeSync } from 'node:fs';

const STDERR_FD = 2;

/**
 * Writes a line at once; false when standard error is closed, or takes no more and does not block. A pipe
 * that blocks, and that nobody reads, stops the program when it is full, as it stops any.
 */
export function writeStderr(line: string): boolean {
  try {
    return writeSync(STDERR_FD, line) === Buffer.byteLength(line);
  } catch {
    return false;
  }
}
