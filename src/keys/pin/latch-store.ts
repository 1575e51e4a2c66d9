// The latch of a token: finds it among the files (latch-folder.ts; latch.ts has the content) and
// locks it. Runs in clavigerd and its commands. A process that attempts a login holds the lock from
// before it reads the latch until the attempt has ended, so that of several processes one attempts
// at a time. A latch that cannot be written stops the attempt; one that cannot be parsed forbids
// it.

import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError, isAppError } from '../../lib/errors.js';
import { LatchFolder } from './latch-folder.js';
import type { LatchedToken, PinLatch, PinRole } from './latch.js';
import { nameOfToken } from './token-name.js';

/** The latch of a token while this process holds its lock. */
export interface LockedLatch {
  /** @throws AppError KEY_PIN_HELD for a latch that cannot be parsed, SYS_FILE */
  read(): PinLatch | undefined;
  /** On disk when it resolves. @throws AppError SYS_FILE */
  write(latch: PinLatch): Promise<void>;
  /** @throws AppError SYS_FILE */
  remove(): void;
}

interface LatchWait {
  /** Longest time that another process may hold the lock. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export class PinLatchStore {
  readonly stateDirectory: string;
  readonly role: PinRole;

  /**
   * @param stateDirectory created when the first lock is taken.
   * @param role user and security officer have PINs and try counters of their own, and so latches.
   */
  constructor(stateDirectory: string, role: PinRole = 'user') {
    this.stateDirectory = stateDirectory;
    this.role = role;
  }

  /**
   * Reads the latch without its lock; another process may change it at the same time.
   * @throws AppError KEY_PIN_HELD for a latch that cannot be parsed, SYS_*
   */
  read(token: LatchedToken): PinLatch | undefined {
    const folder = LatchFolder.open(this.stateDirectory, false);
    try {
      return folder === undefined ? undefined : readLatch(folder, this.#idOf(token));
    } finally {
      folder?.close();
    }
  }

  /**
   * Holds the lock while `use` runs, and returns its result.
   * @throws AppError KEY_PIN_HELD when another process holds the lock for longer than the wait;
   *   SYS_*; what `use` throws
   */
  async withLock<T>(
    token: LatchedToken,
    wait: LatchWait,
    use: (latch: LockedLatch) => Promise<T>,
  ): Promise<T> {
    const id = this.#idOf(token);
    const folder = LatchFolder.open(this.stateDirectory, true);
    try {
      const lock = await lockIn(folder, id, token, wait);
      try {
        return await use({
          read: () => readLatch(folder, id),
          write: (latch) => folder.write(id, latch),
          remove: () => {
            folder.remove(id);
          },
        });
      } finally {
        closeSync(lock);
      }
    } finally {
      folder.close();
    }
  }

  /** Serial numbers are not unique among makers, and may hold any character. */
  #idOf({ manufacturer, model, serial }: LatchedToken): string {
    const role = this.role === 'user' ? [] : [this.role];
    const hash = createHash('sha256').update(
      JSON.stringify([manufacturer, model, serial, ...role]),
    );
    return hash.digest('hex').slice(0, 32);
  }
}

async function lockIn(
  folder: LatchFolder,
  id: string,
  token: LatchedToken,
  { waitMs, signal }: LatchWait,
): Promise<number> {
  try {
    return await folder.lock(id, { waitMs, signal, what: 'PIN latch' });
  } catch (error) {
    if (!isAppError(error, 'SYS_LOCKED')) {
      throw error;
    }
    throw new AppError(
      'KEY_PIN_HELD',
      `${nameOfToken(token)}: another process is logging in to it`,
      {
        hint: `it was waited for ${waitMs / 1000} s; two PINs at a time are never tried`,
        cause: error,
      },
    );
  }
}

function readLatch(folder: LatchFolder, id: string): PinLatch | undefined {
  const content = folder.read(id);
  if (content === 'damaged') {
    throw new AppError(
      'KEY_PIN_HELD',
      `PIN: ${folder.pathOf(id)} is damaged, so no attempt is made`,
      { hint: 'look at the token with its own tool, then run: clavigerd pin clear' },
    );
  }
  return content;
}

/** A latch as `clavigerd pin` shows it. */
export interface StoredLatch {
  readonly path: string;
  /** Undefined when the file is damaged. */
  readonly latch: PinLatch | undefined;
  /** True while a process makes the attempt. */
  readonly isUnderWay: boolean;
}

/** Every latch in a state directory. @throws AppError SYS_* */
export function listLatches(stateDirectory: string): StoredLatch[] {
  const folder = LatchFolder.open(stateDirectory, false);
  if (folder === undefined) {
    return [];
  }
  try {
    return folder.ids().flatMap((id) => {
      const content = folder.read(id);
      if (content === undefined) {
        return []; // removed meanwhile: the attempt succeeded
      }
      const latch = content === 'damaged' ? undefined : content;
      const isUnderWay = latch?.state === 'attempting' && folder.isLocked(id);
      return [{ path: folder.pathOf(id), latch, isUnderWay }];
    });
  } finally {
    folder.close();
  }
}

/**
 * Removes a latch, after waiting for the end of an attempt that is under way.
 * @param path as `listLatches` gave it.
 * @throws AppError KEY_PIN_HELD when an attempt is under way for longer than the wait; SYS_*
 */
export async function removeLatch(path: string, wait: LatchWait): Promise<void> {
  const id = path.slice(path.lastIndexOf('/') + 1).replace('.json', '');
  const folder = LatchFolder.open(dirname(dirname(path)), false);
  if (folder === undefined) {
    return;
  }
  try {
    const lock = await folder.lock(id, { ...wait, what: 'PIN latch' }).catch((error: unknown) => {
      throw isAppError(error, 'SYS_LOCKED')
        ? new AppError('KEY_PIN_HELD', `PIN: ${path}: the attempt is under way`, {
            hint: 'wait for its end; clavigerd pin status shows it',
          })
        : error;
    });
    folder.remove(id);
    closeSync(lock);
  } finally {
    folder.close();
  }
}
