// A folder below the state directory, held open by its descriptor. Runs in clavigerd and its
// commands. Files in it are reached through the descriptor alone, so that renaming folders on the
// way leads nowhere else. The calls block, for use where nothing can be awaited. Root may work in
// the folder of the daemon's user: beyond the first directory of that user no symbolic link is
// followed, and what is made there is given to that user.

import {
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import { AppError, systemCodeOf } from '../../lib/errors.js';
import { systemReason } from '../../lib/system-reason.js';
import { isTrustedOwner } from './file-owner.js';
import { unsafe } from './path-walk.js';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
/** open(2): a place to go on from, for which no right to read is wanted. Node does not name it. */
const O_PATH = 0o10000000;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
const FOLDER_MODE = 0o700;
/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;
const ROOT = 0;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** An open folder; to be closed. */
export class StateFolder {
  /** As it was named, for people. */
  readonly path: string;
  readonly fd: number;
  readonly owner: Owner;

  constructor(path: string, fd: number, owner: Owner) {
    this.path = path;
    this.fd = fd;
    this.owner = owner;
  }

  /** The path of a file in this very folder. @param name without a slash */
  pathOf(name: string): string {
    return `/proc/self/fd/${this.fd}/${name}`;
  }

  close(): void {
    closeSync(this.fd);
  }
}

interface OpenOptions {
  /** True makes the directories that are missing, with mode 0700. */
  readonly make: boolean;
  /** The effective user ID of this process. */
  readonly userId: number;
}

/**
 * Opens a folder that nobody but root and one user can write to, or turn elsewhere: that user is
 * `userId`, or, for root, the first other one whom a directory on the way belongs to.
 * @param path absolute.
 * @returns undefined when it is not there and not made.
 * @throws AppError SYS_UNSAFE_PATH naming what is wrong with which step; SYS_FILE when it cannot be
 *   opened or made.
 */
export function openStateFolder(path: string, options: OpenOptions): StateFolder | undefined {
  const walk = new FolderWalk(path, options);
  try {
    return walk.toEnd();
  } finally {
    walk.close();
  }
}

class FolderWalk {
  readonly #path: string;
  readonly #options: OpenOptions;
  /** The user, not root, whose folder was entered while this runs as root. */
  #guestOf: number | undefined;
  #fd: number;
  /** Where that is, for people. */
  #at = '/';
  #links = 0;

  constructor(path: string, options: OpenOptions) {
    this.#path = path;
    this.#options = options;
    this.#fd = openSync('/', O_PATH | O_DIRECTORY);
  }

  close(): void {
    closeSync(this.#fd);
  }

  toEnd(): StateFolder | undefined {
    const ahead = this.#path.split('/');
    while (ahead.length > 0) {
      const name = ahead.shift() ?? '';
      if (name === '' || name === '.') {
        continue;
      }
      const found = this.#attempt(name, () => this.#entryAt(name, ahead.length === 0));
      if (found === 'nothing') {
        if (!this.#options.make) {
          return undefined;
        }
        this.#attempt(name, () => {
          this.#makeFolder(name);
        });
      } else if (found !== 'no link') {
        ahead.unshift(...found.target.split('/'));
        continue;
      }
      this.#attempt(name, () => {
        this.#enter(name);
      });
    }
    return this.#attempt('.', () => this.#held());
  }

  #held(): StateFolder {
    const stats = fstatSync(this.#fd);
    if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
      throw unsafe(this.#path, 'others can write it', `chmod go-w ${this.#path}`);
    }
    const fd = openSync(`/proc/self/fd/${this.#fd}/.`, O_RDONLY | O_DIRECTORY);
    return new StateFolder(this.#path, fd, { uid: stats.uid, gid: stats.gid });
  }

  /** What is there, of which a symbolic link is to be followed. The folder itself is never one. */
  #entryAt(name: string, isLast: boolean): 'nothing' | 'no link' | { readonly target: string } {
    const stats = statsIfThere(this.#pathOf(name));
    if (stats?.isSymbolicLink() !== true) {
      return stats === undefined ? 'nothing' : 'no link';
    }
    this.#links += 1;
    const { userId } = this.#options;
    const isTrusted = this.#guestOf === undefined && isTrustedOwner(stats, userId);
    if (!isTrusted || isLast || this.#links > MAX_LINKS) {
      throw unsafe(this.#shown(name), 'it is a symbolic link, which is not followed there');
    }
    const target = readlinkSync(this.#pathOf(name));
    if (target.startsWith('/')) {
      this.#moveTo(openSync('/', O_PATH | O_DIRECTORY), '/');
    }
    return { target };
  }

  #enter(name: string): void {
    const fd = openSync(this.#pathOf(name), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    this.#moveTo(fd, this.#shown(name));
    const stats = fstatSync(fd);
    this.#checkOwner(stats);
    if ((stats.mode & WRITABLE_BY_OTHERS) !== 0 && (stats.mode & STICKY) === 0) {
      throw unsafe(
        this.#at,
        'others can write it, and so replace what is in it',
        `chmod go-w ${this.#at}, or use another folder if others are meant to write there`,
      );
    }
  }

  #checkOwner(stats: Stats): void {
    const { uid } = stats;
    const { userId } = this.#options;
    if (isTrustedOwner(stats, this.#guestOf ?? userId)) {
      return;
    }
    if (userId !== ROOT || this.#guestOf !== undefined) {
      const others =
        this.#guestOf === undefined ? "this process's user" : `user ID ${this.#guestOf}`;
      throw unsafe(this.#at, `it belongs to user ID ${uid}, neither root nor ${others}`);
    }
    this.#guestOf = uid;
  }

  #makeFolder(name: string): void {
    const parent = fstatSync(this.#fd);
    mkdirSync(this.#pathOf(name), FOLDER_MODE);
    if (isTrustedOwner(parent, this.#options.userId)) {
      return;
    }
    const fd = openSync(this.#pathOf(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      const made = `/proc/self/fd/${fd}/.`;
      // Its owner may have put another folder of root's in its place; one that holds anything is
      // not given away.
      if (fstatSync(fd).uid === ROOT && readdirSync(made).length === 0) {
        chownSync(made, parent.uid, parent.gid);
      }
    } finally {
      closeSync(fd);
    }
  }

  #moveTo(fd: number, at: string): void {
    closeSync(this.#fd);
    this.#fd = fd;
    this.#at = at;
  }

  #pathOf(name: string): string {
    return `/proc/self/fd/${this.#fd}/${name}`;
  }

  #shown(name: string): string {
    return name === '.' ? this.#path : `${this.#at === '/' ? '' : this.#at}/${name}`;
  }

  /** System errors name the step as people know it, not by a descriptor. */
  #attempt<T>(name: string, step: () => T): T {
    try {
      return step();
    } catch (error) {
      if (error instanceof AppError) {
        throw error;
      }
      throw new AppError('SYS_FILE', `${this.#shown(name)}: ${systemReason(error)}`, {
        cause: error,
      });
    }
  }
}

function statsIfThere(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}
