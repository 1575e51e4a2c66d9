// The terminal of whoever started this process, for programs that ask there. Any process.

import { readlinkSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Its path; undefined where none of the standard descriptors is a terminal. */
export function terminalPath(): string | undefined {
  const fd = [0, 1, 2].find((standard) => isatty(standard));
  try {
    return fd === undefined ? undefined : readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}
