// Tells a person that a token is at work: some take minutes for a key. On standard error, for it is
// no result. Only on a terminal does a line count the seconds; elsewhere one line is written and no
// more.

import { isatty } from 'node:tty';
import type { Track } from '../../keys/admin/admin-client.js';
import { printable } from '../../lib/printable.js';
import { showProgress, STDERR_FD, tellProgress } from '../terminal/standard-error.js';

const TICK_MS = 1_000;

/**
 * @param doing what is under way, without a full stop; @param count how far it has come, if that is
 *   known.
 */
export function tracker(doing: string, count?: () => string): Track {
  return async (work) => {
    const line = `clavigerd: ${printable(doing)}`;
    if (!isatty(STDERR_FD)) {
      tellProgress(`${line}\n`);
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
      tellProgress('\n');
    }
  };
}
