// A directory held by its descriptor: a later rename or replacement of its path does not lead
// elsewhere. Any process. For work in directories of users who are trusted with their own files
// alone. Linux only: Node has no openat(2), and /proc/self/fd/N/NAME stands for it.

import { constants, mkdirSync, type Stats } from 'node:fs';
import { lstat, open, readlink, unlink, type FileHandle } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { AppError, systemCodeOf } from '../../lib/errors.js';
import { isTrustedOwner } from './file-owner.js';

/**
 * open(2): only to go on from there, which the right to search the directory is enough for. Node
 * has no name for it.
 */
const O_PATH = 0o10000000;
const HELD = O_PATH | constants.O_DIRECTORY;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/** A directory that stays the same, whatever becomes of its path, until it is closed. */
export class HeldDirectory implements AsyncDisposable {
  /** As the user named it, for messages. */
  readonly path: string;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.path = path;
  }

  /**
   * The path of an entry, which means this very directory. @param name one name, without a slash
   */
  entry(name: string): string {
    return `/proc/self/fd/${this.#handle.fd}/${name}`;
  }

  stat(): Promise<Stats> {
    return this.#handle.stat();
  }

  /**
   * Opens a directory in it; no symbolic link is one.
   * @throws Error ENOENT, ENOTDIR, ...
   */
  async enter(name: string): Promise<HeldDirectory> {
    const flags = HELD | constants.O_NOFOLLOW;
    return new HeldDirectory(await open(this.entry(name), flags), join(this.path, name));
  }

  /** Opens what a symbolic link in it leads to, by the kernel's rules. */
  async follow(name: string): Promise<HeldDirectory> {
    return new HeldDirectory(await open(this.entry(name), HELD), join(this.path, name));
  }

  /**
   * Makes a directory unless something is there, and opens it.
   * @param mode whatever the umask: a chmod(2) afterwards could meet another directory.
   * @throws Error ENOTDIR when something else is there, ...
   */
  async make(name: string, mode: number): Promise<HeldDirectory> {
    const umask = process.umask(0o777 & ~mode);
    try {
      mkdirSync(this.entry(name), { mode });
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') {
        throw error;
      }
    } finally {
      process.umask(umask);
    }
    return await this.enter(name);
  }

  /** Creates a file that must not exist (EEXIST), and opens it for writing. */
  create(name: string, mode: number): Promise<FileHandle> {
    return open(this.entry(name), 'wx', mode);
  }

  /**
   * Opens an entry for reading, but no symbolic link (ELOOP); does not wait for the writer of a
   * FIFO.
   */
  read(name: string): Promise<FileHandle> {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    return open(this.entry(name), flags);
  }

  look(name: string): Promise<Stats> {
    return lstat(this.entry(name));
  }

  remove(name: string): Promise<void> {
    return unlink(this.entry(name));
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens a directory that may belong to another user, or be below one that does. Symbolic links
 * count as long as nobody but root and `userId` could have put them there. From the first directory
 * on that another user owns or may write to, one is followed only when it leads to a directory of
 * the user whose directory it is in: that user then decides about directories of his own, and about
 * no others.
 * @throws AppError SYS_UNSAFE_PATH for a link that is not followed; a system error (ENOENT,
 *   ENOTDIR, ...)
 */
export async function openForeignDirectory(path: string, userId: number): Promise<HeldDirectory> {
  const ahead = resolve(path).split('/');
  let place = await topOf(userId);
  try {
    for (let links = 0; ahead.length > 0;) {
      const name = ahead.shift() ?? '';
      if (name === '' || name === '.') {
        continue;
      }
      const step = await takeStep(place, name, userId);
      if (step.kind === 'link') {
        links += 1;
        if (links > MAX_LINKS) {
          throw refused(place.directory, name, 'too many symbolic links');
        }
        ahead.unshift(...step.target.split('/'));
        if (!isAbsolute(step.target)) {
          continue;
        }
      }
      const next = step.kind === 'link' ? await topOf(userId) : step.place;
      await place.directory.close();
      place = next;
    }
    return place.directory;
  } catch (error) {
    await place.directory.close();
    throw error;
  }
}

interface Place {
  readonly directory: HeldDirectory;
  /** True while nobody but root and the user could have changed anything on the way. */
  readonly isOurs: boolean;
}

type Step =
  | { readonly kind: 'directory'; readonly place: Place }
  /** One that is trusted: to be followed name by name. */
  | { readonly kind: 'link'; readonly target: string };

async function topOf(userId: number): Promise<Place> {
  return await placeOf(new HeldDirectory(await open('/', HELD), '/'), true, userId);
}

async function placeOf(
  directory: HeldDirectory,
  isWayOurs: boolean,
  userId: number,
): Promise<Place> {
  const stats = await directory.stat();
  return { directory, isOurs: isWayOurs && isOwnersOnly(stats, userId) };
}

function isOwnersOnly(stats: Stats, userId: number): boolean {
  const isWritable = (stats.mode & WRITABLE_BY_OTHERS) !== 0 && (stats.mode & STICKY) === 0;
  return isTrustedOwner(stats, userId) && !isWritable;
}

async function takeStep(place: Place, name: string, userId: number): Promise<Step> {
  const { directory, isOurs } = place;
  const stats = await directory.look(name);
  if (!stats.isSymbolicLink()) {
    const next = await directory.enter(name);
    return { kind: 'directory', place: await placeOf(next, isOurs, userId) };
  }
  // In /tmp and its like, a link is its owner's.
  if (isOurs && isTrustedOwner(stats, userId)) {
    return { kind: 'link', target: await readlink(directory.entry(name)) };
  }
  const target = await directory.follow(name);
  try {
    const holder = await directory.stat();
    const isOneUsers = !isOurs && (holder.mode & WRITABLE_BY_OTHERS) === 0;
    if (!isOneUsers || (await target.stat()).uid !== holder.uid) {
      throw refused(directory, name, 'a symbolic link of another user leads away from his folders');
    }
    return { kind: 'directory', place: { directory: target, isOurs: false } };
  } catch (error) {
    await target.close();
    throw error;
  }
}

function refused(directory: HeldDirectory, name: string, problem: string): AppError {
  return new AppError('SYS_UNSAFE_PATH', `${join(directory.path, name)}: ${problem}`, {
    hint: 'name the folder that it leads to',
  });
}
