// A log whose lines the test reads. Used by unit tests only.

import { Log, type LogOptions } from '../../../src/sys/log.js';

/** @returns the log, and its lines so far as on standard error, without the program's name. */
export function newLogLines(change: Partial<LogOptions> = {}): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const log = new Log({
    program: 'p',
    clock: { now: () => 0 },
    writeStderr: (text) => {
      lines.push(...text.replaceAll(/^p: /gm, '').split('\n').slice(0, -1));
      return true;
    },
    priorities: false,
    quiet: false,
    debug: false,
    ...change,
  });
  return { log, lines };
}
