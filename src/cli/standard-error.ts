// Lines to standard error, for the daemon's log. Not process.stderr: that stream turns a reader that went
// away into an error event, and a slow one into memory.

import { writeSync } from 'node:fs';

const STDERR_FD = 2;

/** Writes a line at once; false when standard error is closed, full, or took only a part. */
export function writeStderr(line: string): boolean {
  try {
    return writeSync(STDERR_FD, line) === Buffer.byteLength(line);
  } catch {
    return false;
  }
}
