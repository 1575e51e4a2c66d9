// Reads the noted head (the last audit record and the daemon's process, kept in the state
// directory) for the `clavigerd audit` commands, while the daemon may be overwriting it.

import { readNotedHead } from '../../audit/audit-head.js';
import type { ChainHead } from '../../audit/chain-head.js';
import { isAppError } from '../../lib/errors.js';

export interface HeadNote {
  /** Undefined before the first record. */
  readonly head: ChainHead | undefined;
  /** The first record of the open file; undefined where that is not known. */
  readonly first: ChainHead | undefined;
  /** The process that writes the log; undefined when it has ended normally. */
  readonly pid: number | undefined;
}

const MAX_TRIES = 3;

/**
 * @returns undefined when there is no note.
 * @throws AppError SYS_FILE when it cannot be read; AUDIT_RECORD when it is damaged
 */
export function readHeadNote(path: string): HeadNote | undefined {
  for (let tries = 1; ; tries += 1) {
    try {
      const noted = readNotedHead(path);
      return noted === undefined
        ? undefined
        : {
            head: noted.seq === 0 ? undefined : { seq: noted.seq, hash: noted.hash },
            first: noted.first,
            pid: noted.pid === 0 ? undefined : noted.pid,
          };
    } catch (error) {
      // The daemon may have overwritten part of it during the read.
      if (!isAppError(error, 'AUDIT_RECORD') || tries === MAX_TRIES) {
        throw error;
      }
    }
  }
}
