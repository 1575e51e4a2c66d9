// PIN latches by token, for whoever wants to log in and for people. Daemon and commands. One lock a
// token is held from the look at the latch to the end of the attempt, so that of many processes one
// makes it. A latch that cannot be written stops the attempt; one that cannot be read holds.

import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError, isAppError } from '../../lib/errors.js';
import { LatchFolder } from './latch-folder.js';
import { nameOfToken, type LatchedToken, type PinLatch, type PinRole } from './latch.js';

/** The latch of a token while its lock is held. */
export interface HeldLatch {
  /** @throws AppError KEY_PIN_HELD for one that cannot be understood, SYS_FILE */
  read(): PinLatch | undefined;
  /** On disk when it resolves. @throws AppError SYS_FILE */
  write(latch: PinLatch): Promise<void>;
  /** @throws AppError SYS_FILE */
  remove(): void;
}

export interface LatchWait {
  /** Longest time that another process may be at it. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export class PinLatchStore {
  readonly stateDirectory: string;
  readonly role: PinRole;

  /**
   * @param stateDirectory made when the first lock is taken.
   * @param role the PINs of user and security officer have tries of their own, and so latches.
   */
  constructor(stateDirectory: string, role: PinRole = 'user') {
    this.stateDirectory = stateDirectory;
    this.role = role;
  }

  /**
   * The latch as it is now; another process may be at it.
   * @throws AppError KEY_PIN_HELD for one that cannot be understood, SYS_*
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
   * Calls `use` while no other process reads, notes or tries, and gives what that gives.
   * @throws AppError KEY_PIN_HELD when another process is at it for longer than the wait; SYS_*;
   *   what `use` throws
   */
  async hold<T>(
    token: LatchedToken,
    wait: LatchWait,
    use: (latch: HeldLatch) => Promise<T>,
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
  const noted = folder.read(id);
  if (noted === 'damaged') {
    throw new AppError(
      'KEY_PIN_HELD',
      `PIN: ${folder.pathOf(id)} is damaged, so no attempt is made`,
      { hint: 'look at the token with its own tool, then run: clavigerd pin clear' },
    );
  }
  return noted;
}

/** A latch as people see it. */
export interface StoredLatch {
  readonly path: string;
  /** Undefined when the file is no latch. */
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
      const noted = folder.read(id);
      if (noted === undefined) {
        return []; // it ended well meanwhile
      }
      const latch = noted === 'damaged' ? undefined : noted;
      const isUnderWay = latch?.state === 'attempting' && folder.isLocked(id);
      return [{ path: folder.pathOf(id), latch, isUnderWay }];
    });
  } finally {
    folder.close();
  }
}

/**
 * Opens a latch; one of an attempt that is under way is waited for.
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
