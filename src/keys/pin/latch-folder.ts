// The files of PIN latches: the folder `pin-latches` of a state directory, with a latch file and a
// lock file for each ID. (latch.ts has the content, latch-store.ts the IDs: which token is which.)
// Runs in clavigerd and its commands. A command may run as root while the folder belongs to the
// daemon's user, who is not trusted then: files are reached through the descriptor of the folder,
// no link is followed, and new files are given to the owner of the folder.

import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  unlinkSync,
} from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { AppError, isAppError, systemCodeOf } from '../../lib/errors.js';
import { systemReason } from '../../lib/system-reason.js';
import { replaceFiles } from '../../sys/files/atomic-file.js';
import { readAtMost } from '../../sys/files/bounded-file.js';
import { isHeldByAnother, waitForLock, type LockWait } from '../../sys/files/file-lock.js';
import { openStateFolder, type StateFolder } from '../../sys/files/state-folder.js';
import { effectiveUserId } from '../../sys/user.js';
import { formatLatch, parseLatch, type PinLatch } from './latch.js';

const FOLDER = 'pin-latches';
const LATCH_FILE = /^[0-9a-f]{32}\.json$/;
const FILE_MODE = 0o600;
/** Seven texts of at most 8 KiB each. */
const MAX_LATCH_BYTES = 64 * 1024;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** What a latch file contains. One that is damaged forbids attempts as any latch may. */
type LatchContent = PinLatch | 'damaged';

/** An open folder of latches; the caller closes it. */
export class LatchFolder {
  readonly #folder: StateFolder;

  private constructor(folder: StateFolder) {
    this.#folder = folder;
  }

  /**
   * @param make true creates a folder that is missing; with false the result is undefined then.
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

  /** The path of a latch file, for messages. */
  pathOf(id: string): string {
    return join(this.#folder.path, `${id}.json`);
  }

  /** The IDs of all latches. */
  ids(): string[] {
    return attempt(() => readdirSync(this.#folder.pathOf('.')))
      .filter((name) => LATCH_FILE.test(name))
      .map((name) => name.replace('.json', ''))
      .sort();
  }

  /** Undefined where there is no latch. @throws AppError SYS_FILE */
  read(id: string): LatchContent | undefined {
    const fd = this.#openIfThere(`${id}.json`, O_RDONLY);
    if (fd === undefined || fd === 'no file') {
      return fd === undefined ? undefined : 'damaged';
    }
    try {
      const content = attempt(() => readAtMost(fd, MAX_LATCH_BYTES)); // what is larger is no latch
      return (content && parseLatch(content)) ?? 'damaged';
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
      ...(this.#belongsToAnother && { owner: this.#folder.owner }),
    };
    await replaceFiles([file]).catch((error: unknown) => {
      throw failed(this.pathOf(id), error);
    });
  }

  /** Also gone after a crash once it returns. @throws AppError SYS_FILE */
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
   * Takes the lock of an ID. It is held until the descriptor that is returned gets closed.
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

  /** True while another process holds the lock of an ID. @throws AppError SYS_FILE */
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

  get #belongsToAnother(): boolean {
    return this.#folder.owner.uid !== effectiveUserId();
  }

  /**
   * Creates a lock file where there is none. It is never removed: two processes could then each
   * lock a file of that name.
   */
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
      if (this.#belongsToAnother) {
        fchownSync(fd, this.#folder.owner.uid, this.#folder.owner.gid);
      }
      return fd;
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') {
        return this.#openLock(name); // another process was first
      }
      throw failed(this.#shown(name), error);
    }
  }

  /**
   * A descriptor of a regular file that has no other name; no symbolic link is followed. `no file`
   * for anything else of that name, undefined where there is nothing.
   */
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

/** Without a lock and a latch file no PIN is tried: the hint says so, and what to do. */
function explained(error: AppError): AppError {
  return new AppError(error.code, `PIN latch: ${error.message}`, {
    hint:
      error.hint ??
      'without a note of the attempt no PIN is tried: run this as root or as the user whom the state directory belongs to, or name another one (state-directory, --state-directory)',
    cause: error,
  });
}
