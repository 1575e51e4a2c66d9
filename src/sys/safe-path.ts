// Checks on paths before the daemon relies on them: who else could change what is there. Any process.
// Node tells no peer's user ID, so the directory's and the socket's modes are the access control.

import { lstatSync, realpathSync, statSync, type Stats } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';

/** sockaddr_un holds 108 bytes with the NUL; Node cuts a longer path silently. */
export const MAX_SOCKET_PATH_BYTES = 107;

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

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
 * bit; every directory above likewise, where the sticky bit is enough (as for /tmp).
 * @throws AppError SYS_UNSAFE_PATH naming the directory and what is wrong with it.
 */
export function assertPrivateDirectory(directory: string, userId: number): void {
  const real = realPathOf(directory);
  const self = statSync(real);
  if ((self.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unsafe(directory, 'others can write it', `chmod go-w ${directory}`);
  }
  assertOwner(directory, self, userId);
  for (let above = dirname(real); ; above = dirname(above)) {
    const stats = statSync(above);
    assertOwner(above, stats, userId);
    if ((stats.mode & WRITABLE_BY_OTHERS) !== 0 && (stats.mode & STICKY) === 0) {
      throw unsafe(above, `others can write it, and so replace ${directory}`);
    }
    if (above === dirname(above)) {
      return;
    }
  }
}

/**
 * Checks a configuration file: owned by root or `userId`, not writable by others. It names modules
 * and commands.
 * @throws AppError SYS_UNSAFE_PATH
 */
export function assertUnwritableByOthers(path: string, userId: number): void {
  const stats = statSync(path);
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unsafe(path, 'others can write it', `chmod go-w ${path}`);
  }
  assertOwner(path, stats, userId);
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

function realPathOf(directory: string): string {
  try {
    return realpathSync(directory);
  } catch (error) {
    const missing = systemCodeOf(error) === 'ENOENT';
    throw new AppError('SYS_UNSAFE_PATH', `${directory}: ${messageOf(error)}`, {
      hint: missing ? `create it: install -d -m 0700 ${directory}` : undefined,
      cause: error,
    });
  }
}

function assertOwner(path: string, stats: Stats, userId: number): void {
  if (stats.uid !== 0 && stats.uid !== userId) {
    throw unsafe(path, `it belongs to user ID ${stats.uid}, neither root nor this process's user`);
  }
}

function unsafe(path: string, problem: string, hint?: string): AppError {
  return new AppError('SYS_UNSAFE_PATH', `insecure permissions on ${path}: ${problem}`, { hint });
}
