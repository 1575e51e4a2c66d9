// Keeps PIN latches: a file a token in the state directory, or memory where there is none. Daemon and
// commands. A latch that cannot be written stops the attempt; one that cannot be read holds.

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { createNewFile, removeFile, replaceFiles } from '../sys/atomic-file.js';
import { prepareStateDirectory } from '../sys/state-directory.js';
import { formatLatch, parseLatch, type LatchedToken, type PinLatch } from './pin-latch.js';

const SUFFIX = '.json';
const FOLDER = 'pin-latches';
const FILE_NAME = /^[0-9a-f]{32}\.json$/;

export interface PinLatchStore {
  /** @throws AppError KEY_PIN_HELD for a latch that cannot be understood, SYS_* for a file system that fails */
  read(token: LatchedToken): PinLatch | undefined;
  /** On disk when it returns. @throws AppError SYS_*; KEY_PIN_HELD when another process was first */
  write(latch: PinLatch): Promise<void>;
  remove(token: LatchedToken): Promise<void>;
}

/** For commands without a state directory: holds while the process lives. */
export class MemoryLatchStore implements PinLatchStore {
  readonly #latches = new Map<string, PinLatch>();

  read(token: LatchedToken): PinLatch | undefined {
    return this.#latches.get(nameOf(token));
  }

  write(latch: PinLatch): Promise<void> {
    this.#latches.set(nameOf(latch.token), latch);
    return Promise.resolve();
  }

  remove(token: LatchedToken): Promise<void> {
    this.#latches.delete(nameOf(token));
    return Promise.resolve();
  }
}

export class FileLatchStore implements PinLatchStore {
  readonly #state: string;
  readonly #folder: string;

  /** @param stateDirectory made when the first latch is written. */
  constructor(stateDirectory: string) {
    this.#state = stateDirectory;
    this.#folder = join(stateDirectory, FOLDER);
  }

  read(token: LatchedToken): PinLatch | undefined {
    if (!isAbsolute(this.#state)) {
      throw new AppError('SYS_FILE', 'PIN latch: there is no state directory to note attempts in', {
        hint: 'name one by the setting state-directory',
      });
    }
    const path = this.#pathOf(token);
    const content = readIfThere(path);
    const latch = content === undefined ? undefined : parseLatch(content);
    if (content !== undefined && latch === undefined) {
      throw unreadable(path);
    }
    return latch;
  }

  async write(latch: PinLatch): Promise<void> {
    prepareStateDirectory(this.#state);
    const file = { path: this.#pathOf(latch.token), content: formatLatch(latch), mode: 0o600 };
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      // The first attempt must be the only one: two processes may have the same idea.
      await (latch.state === 'attempting' && latch.attempts === 1
        ? createNewFile(file)
        : replaceFiles([file]));
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') {
        throw new AppError('KEY_PIN_HELD', 'PIN: another process is trying it now', {
          cause: error,
        });
      }
      throw failed(error, 'without a note of the attempt no PIN is tried');
    }
  }

  async remove(token: LatchedToken): Promise<void> {
    try {
      await removeFile(this.#pathOf(token));
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') {
        throw failed(error);
      }
    }
  }

  #pathOf(token: LatchedToken): string {
    return join(this.#folder, `${nameOf(token)}${SUFFIX}`);
  }
}

export interface StoredLatch {
  readonly path: string;
  /** Undefined when the file is no latch. */
  readonly latch: PinLatch | undefined;
}

/**
 * Every latch in a state directory, for people. It may be root who looks at the folder of another user: links
 * in it are not followed.
 * @throws AppError SYS_FILE
 */
export function listLatches(stateDirectory: string): StoredLatch[] {
  const folder = join(stateDirectory, FOLDER);
  return withFolder(folder, (opened) =>
    readdirSync(opened)
      .filter((name) => FILE_NAME.test(name))
      .sort()
      .map((name) => ({ path: join(folder, name), latch: readLatchFile(join(opened, name)) })),
  );
}

/** Opens a latch. @param path as `listLatches` gave it. @throws AppError SYS_FILE */
export function removeLatch(path: string): void {
  withFolder(dirname(path), (opened, fd) => {
    unlinkSync(join(opened, basename(path)));
    fsyncSync(fd);
    return [];
  });
}

/** Calls `use` with a path of the folder that stays the same one; nothing where there is no folder or file. */
function withFolder<T>(folder: string, use: (opened: string, fd: number) => T[]): T[] {
  try {
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
    const fd = openSync(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return use(`/proc/self/fd/${fd}`, fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return [];
    }
    throw failed(error);
  }
}

function readLatchFile(path: string): PinLatch | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return parseLatch(readFileSync(fd));
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** Serial numbers are not unique among makers, and may hold any character. */
function nameOf({ manufacturer, model, serial }: LatchedToken): string {
  const hash = createHash('sha256').update(JSON.stringify([manufacturer, model, serial]));
  return hash.digest('hex').slice(0, 32);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return undefined;
    }
    throw failed(error);
  }
}

function unreadable(path: string): AppError {
  return new AppError('KEY_PIN_HELD', `PIN: ${path} is damaged, so no attempt is made`, {
    hint: 'look at the token with its own tool, then run: clavigerd pin clear',
  });
}

function failed(error: unknown, hint?: string): AppError {
  return new AppError('SYS_FILE', `PIN latch: ${messageOf(error)}`, { hint, cause: error });
}
