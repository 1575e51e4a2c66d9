// Checks on paths before the daemon relies on them: who else could change what is there. Any process.
// Node tells no peer's user ID, so the directory's and the socket's modes are the access control.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  statSync,
  type Stats,
} from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { foreignOwnerAdvice, sharedFolderAdvice, userName } from './file-owner.js';
import { pathTrouble } from './path-trouble.js';

/** sockaddr_un holds 108 bytes with the NUL; Node cuts a longer path silently. */
export const MAX_SOCKET_PATH_BYTES = 107;

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Checks where a socket is to be bound.
 * @param userId the daemon's effective user ID.
 * @throws AppError SYS_SOCKET for a relative or over-long path; SYS_UNSAFE_PATH when another user
 *   could write the parent directory or replace a directory above it.
 */
export function assertSocketPath(path: string, userId: number): void {
  if (!isAbsolute(path)) {
    throw new AppError('SYS_SOCKET', `${path}: the socket path is not absolute`);
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new AppError(
      'SYS_SOCKET',
      `${path}: the socket path has ${bytes} bytes, and ${MAX_SOCKET_PATH_BYTES} are possible`,
    );
  }
  assertPrivateDirectory(dirname(path), userId);
}

/**
 * Checks a directory: owned by root or `userId` and not writable by others, not even with the sticky
 * bit; every directory and symbolic link on the way to it likewise, where the sticky bit is enough
 * for a directory (as for /tmp).
 * @throws AppError SYS_UNSAFE_PATH naming what is wrong with which of them; SYS_PATH for what is not there.
 */
export function assertPrivateDirectory(directory: string, userId: number): void {
  assertUnreplaceable(directory, userId);
  if ((statSync(directory).mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unsafe(directory, 'others can write it', sharedFolderAdvice(directory));
  }
}

/** Checks that no other user could put something else at a path, by any step on the way to it. */
function assertUnreplaceable(path: string, userId: number): void {
  const ahead = path.split('/');
  let at = '/';
  let links = 0;
  assertStep(at, lstatSync(at), userId);
  while (ahead.length > 0) {
    const name = ahead.shift() ?? '';
    if (name === '' || name === '.') {
      continue;
    }
    const step = name === '..' ? dirname(at) : join(at, name);
    const stats = entryOf(step, path);
    assertStep(step, stats, userId);
    if (!stats.isSymbolicLink()) {
      at = step;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) {
      throw unsafe(path, 'too many symbolic links');
    }
    const target = readlinkSync(step);
    at = isAbsolute(target) ? '/' : at;
    ahead.unshift(...target.split('/'));
  }
}

/** A link has no mode of its own; whoever owns it can only change it if they can write its directory. */
function assertStep(path: string, stats: Stats, userId: number): void {
  assertOwner(path, stats, userId);
  const writable = !stats.isSymbolicLink() && (stats.mode & WRITABLE_BY_OTHERS) !== 0;
  if (stats.isDirectory() && writable && (stats.mode & STICKY) === 0) {
    throw unsafe(
      path,
      'others can write it, and so replace what is in it',
      sharedFolderAdvice(path),
    );
  }
}

function entryOf(step: string, path: string): Stats {
  try {
    return lstatSync(step);
  } catch (error) {
    throw pathTrouble(
      '',
      path,
      error,
      `correct the path, or make the folder: install -d -m 0700 -o ${userName()} ${path}`,
    );
  }
}

/**
 * Opens a file that only root and `userId` may change, for reading: a regular one, in directories that
 * nobody else could put another one into. What is checked is what is read.
 * @throws AppError SYS_UNSAFE_PATH; SYS_PATH for what is no file; a system error (ENOENT, ...) when it cannot
 *   be opened.
 */
export function openUnwritableByOthers(path: string, userId: number): number {
  // Not blocking: a FIFO at the path must not hold us up.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      throw new AppError('SYS_PATH', `${path} is not a regular file`, {
        hint: 'it must be a file, whose owner and mode can be checked, and no folder or pipe',
      });
    }
    if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
      throw unsafe(
        path,
        'others can write it',
        `chmod go-w ${path}, after a look at what is in it now`,
      );
    }
    assertOwner(path, stats, userId);
    assertUnreplaceable(resolve(path), userId);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** What is at a path, the link itself for a symbolic link; undefined when nothing is. */
export function existingEntry(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return undefined;
    }
    throw new AppError('SYS_FILE', messageOf(error), { cause: error });
  }
}

function assertOwner(path: string, stats: Stats, userId: number): void {
  if (stats.uid !== 0 && stats.uid !== userId) {
    throw unsafe(
      path,
      `it belongs to user ID ${stats.uid}, neither root nor this process's user`,
      foreignOwnerAdvice(stats),
    );
  }
}

function unsafe(path: string, problem: string, hint?: string): AppError {
  return new AppError('SYS_UNSAFE_PATH', `insecure permissions on ${path}: ${problem}`, { hint });
}
