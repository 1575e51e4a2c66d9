// Shows on standard error that an operation of a token is under way: some take minutes to generate
// a key. On a terminal a line counts the seconds; elsewhere one line is written once. Runs in the
// `clavigerd key` commands.

import { isatty } from 'node:tty';
import type { Track } from '../../keys/admin/admin-client.js';
import { printable } from '../../lib/printable.js';
import { showProgress, STDERR_FD, printProgress } from '../terminal/standard-error.js';

const TICK_MS = 1_000;

/**
 * @param doing the operation, as a phrase without a full stop.
 * @param count how far it has come, where that is known.
 */
export function tracker(doing: string, count?: () => string): Track {
  return async (work) => {
    const line = `clavigerd: ${printable(doing)}`;
    if (!isatty(STDERR_FD)) {
      printProgress(`${line}\n`);
      return work();
    }
    const start = performance.now();
    const write = (): void => {
      const seconds = Math.round((performance.now() - start) / TICK_MS);
      showProgress(`${line}: ${count?.() ?? ''}${seconds} s`);
    };
    write();
    const timer = setInterval(write, TICK_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      write();
      printProgress('\n');
    }
  };
}
