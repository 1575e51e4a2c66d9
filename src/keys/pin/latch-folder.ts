// The files of PIN latches in a state directory: a note and a lock for each token, reached through
// the descriptor of their folder. Daemon and commands, root in the folder of the daemon's user
// among them: no link is followed there, and what is made there belongs to whom the folder belongs
// to.

import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
} from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { AppError, isAppError, systemCodeOf } from '../../lib/errors.js';
import { systemReason } from '../../lib/system-reason.js';
import { replaceFiles } from '../../sys/files/atomic-file.js';
import { isHeldByAnother, waitForLock, type LockWait } from '../../sys/files/file-lock.js';
import { openStateFolder, type StateFolder } from '../../sys/files/state-folder.js';
import { effectiveUserId } from '../../sys/user.js';
import { formatLatch, parseLatch, type PinLatch } from './latch.js';

const FOLDER = 'pin-latches';
const NOTE = /^[0-9a-f]{32}\.json$/;
const FILE_MODE = 0o600;
/** A latch has texts of 8 KiB at most. */
const MAX_NOTE_BYTES = 64 * 1024;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** What a note holds; undefined for what is none, which holds like one. */
export type Noted = PinLatch | 'damaged';

/** An open folder of latches; to be closed. */
export class LatchFolder {
  readonly #folder: StateFolder;

  private constructor(folder: StateFolder) {
    this.#folder = folder;
  }

  /**
   * @param make true makes it; otherwise undefined where there is none.
   * @throws AppError SYS_FILE, SYS_UNSAFE_PATH
   */
  static open(stateDirectory: string, make: true): LatchFolder;
  static open(stateDirectory: string, make: false): LatchFolder | undefined;
  static open(stateDirectory: string, make: boolean): LatchFolder | undefined {
    if (!isAbsolute(stateDirectory)) {
      throw new AppError('SYS_FILE', 'PIN latch: there is no state directory to note attempts in', {
        hint: 'name one by the setting state-directory, or by --state-directory',
      });
    }
    const path = join(stateDirectory, FOLDER);
    return attempt(() => {
      const folder = openStateFolder(path, { make, userId: effectiveUserId() });
      return folder === undefined ? undefined : new LatchFolder(folder);
    });
  }

  /** The path of a note, for people. */
  pathOf(id: string): string {
    return join(this.#folder.path, `${id}.json`);
  }

  /** The IDs of all notes. */
  ids(): string[] {
    return attempt(() => readdirSync(this.#folder.pathOf('.')))
      .filter((name) => NOTE.test(name))
      .map((name) => name.replace('.json', ''))
      .sort();
  }

  read(id: string): Noted | undefined {
    const fd = this.#openIfThere(`${id}.json`, O_RDONLY);
    if (fd === undefined || fd === 'no file') {
      return fd === undefined ? undefined : 'damaged';
    }
    try {
      return parseLatch(attempt(() => readBounded(fd))) ?? 'damaged';
    } finally {
      closeSync(fd);
    }
  }

  /** On disk when it resolves. @throws AppError SYS_FILE */
  async write(id: string, latch: PinLatch): Promise<void> {
    const file = {
      path: this.#folder.pathOf(`${id}.json`),
      content: formatLatch(latch),
      mode: FILE_MODE,
      ...(this.#isOfAnother && { owner: this.#folder.owner }),
    };
    await replaceFiles([file]).catch((error: unknown) => {
      throw failed(this.pathOf(id), error);
    });
  }

  /** Gone for good when it returns. @throws AppError SYS_FILE */
  remove(id: string): void {
    try {
      unlinkSync(this.#folder.pathOf(`${id}.json`));
      fsyncSync(this.#folder.fd);
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') {
        throw failed(this.pathOf(id), error);
      }
    }
  }

  /**
   * Takes the lock of a token, for as long as the descriptor that it gives is open.
   * @throws AppError SYS_LOCKED, SYS_FILE
   */
  async lock(id: string, wait: LockWait): Promise<number> {
    const fd = this.#openLock(`${id}.lock`);
    try {
      await waitForLock(fd, wait);
      return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** True while another process holds the lock of a token. @throws AppError SYS_FILE */
  isLocked(id: string): boolean {
    const fd = this.#openIfThere(`${id}.lock`, O_RDONLY);
    if (typeof fd !== 'number') {
      return false;
    }
    try {
      return isHeldByAnother(fd, 'PIN latch');
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    this.#folder.close();
  }

  get #isOfAnother(): boolean {
    return this.#folder.owner.uid !== effectiveUserId();
  }

  /** A lock file is never removed: two processes could then lock two files of one name. */
  #openLock(name: string): number {
    const there = this.#openIfThere(name, O_RDWR);
    if (typeof there === 'number') {
      return there;
    }
    if (there === 'no file') {
      throw new AppError('SYS_FILE', `PIN latch: ${this.#shown(name)} is no regular file`);
    }
    try {
      const path = this.#folder.pathOf(name);
      const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE);
      if (this.#isOfAnother) {
        fchownSync(fd, this.#folder.owner.uid, this.#folder.owner.gid);
      }
      return fd;
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') {
        return this.#openLock(name); // somebody else was first
      }
      throw failed(this.#shown(name), error);
    }
  }

  /** A descriptor of a regular file that has no other name; no symbolic link is followed. */
  #openIfThere(name: string, flags: number): number | 'no file' | undefined {
    let fd: number;
    try {
      fd = openSync(this.#folder.pathOf(name), flags | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      switch (systemCodeOf(error)) {
        case 'ENOENT':
          return undefined;
        case 'ELOOP':
        case 'EISDIR':
          return 'no file';
        default:
          throw failed(this.#shown(name), error);
      }
    }
    const stats = fstatSync(fd);
    if (stats.isFile() && stats.nlink <= 1) {
      return fd;
    }
    closeSync(fd);
    return 'no file';
  }

  #shown(name: string): string {
    return join(this.#folder.path, name);
  }
}

function readBounded(fd: number): Buffer {
  const buffer = Buffer.alloc(MAX_NOTE_BYTES + 1);
  let length = 0;
  for (let count = -1; count !== 0 && length < buffer.length; length += count) {
    count = readSync(fd, buffer, length, buffer.length - length, null);
  }
  // What is too large is no latch.
  return buffer.subarray(0, length > MAX_NOTE_BYTES ? 0 : length);
}

function attempt<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw isAppError(error) ? explained(error) : failed('the folder', error);
  }
}

function failed(path: string, error: unknown): AppError {
  return explained(new AppError('SYS_FILE', `${path}: ${systemReason(error)}`, { cause: error }));
}

/** Where nothing can be locked and noted nothing is tried, which is what a person has to know. */
function explained(error: AppError): AppError {
  return new AppError(error.code, `PIN latch: ${error.message}`, {
    hint:
      error.hint ??
      'without a note of the attempt no PIN is tried: run this as root or as the user whom the state directory belongs to, or name another one (state-directory, --state-directory)',
    cause: error,
  });
}
