// Checks on paths before a program relies on them: who else could change what is there. Any
// process. Every directory and symbolic link on the way is looked at, as written. Node does not
// give the user ID of a socket's peer, so the owners and modes of a socket's directories are the
// access control.

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  realpathSync,
  statSync,
  type Stats,
} from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import {
  foreignOwnerAdvice,
  foreignOwnerProblem,
  isTrustedOwner,
  sharedFolderAdvice,
} from './file-owner.js';
import { unsafe, walk } from './path-walk.js';

/** sockaddr_un holds 108 bytes with the NUL; Node cuts a longer path silently. */
export const MAX_SOCKET_PATH_BYTES = 107;

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;
const WRITABLE = 'others can write it, and so replace what is in it';

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
 * Checks a directory: owned by root or `userId` and not writable by others, not even with the
 * sticky bit; every directory and symbolic link on the way to it likewise, where the sticky bit is
 * enough for a directory (as for /tmp).
 * @throws AppError SYS_UNSAFE_PATH naming what is wrong with which of them; SYS_PATH for what is
 *   not there.
 */
export function assertPrivateDirectory(directory: string, userId: number): void {
  const stats = assertUnreplaceable(directory, userId);
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unsafe(directory, WRITABLE, sharedFolderAdvice(directory));
  }
}

/**
 * Checks that no other user could put something else at a path: every directory and symbolic link
 * on the way belongs to root or `userId`, and no directory is writable by others unless it has the
 * sticky bit. What is at the path is not asked for owner and mode unless it is a directory.
 * @param path counts from the working directory when it is not absolute.
 * @returns what is at the path, links followed.
 * @throws AppError SYS_UNSAFE_PATH
 */
export function assertUnreplaceable(path: string, userId: number): Stats {
  return walk(path, (step, stats) => {
    assertStep(step, stats, userId);
  });
}

/**
 * Checks the way to a signer's socket: nobody but root, `userId` and the signer's own user could
 * answer there. A directory of another user must be of the user whose socket it is, who is then the
 * signer; and it must not be in one that others can write, as /tmp, for whoever comes first could
 * make such a directory.
 * @throws AppError SYS_UNSAFE_PATH; a system error (ENOENT, ...) when nothing is there.
 */
export function assertSignerSocket(path: string, userId: number): void {
  const directory = dirname(realpathSync(path));
  const holder = statSync(directory);
  const owner = holder.uid;
  if (isTrustedOwner(holder, userId) || statSync(path).uid !== owner) {
    assertUnreplaceable(path, userId);
    assertPrivateDirectory(directory, userId);
    return;
  }
  let isShared = false;
  walk(path, (step, stats) => {
    if (stats.uid !== owner || isShared) {
      assertStep(step, stats, userId);
    }
    isShared = isWritableDirectory(stats);
    if (isShared && (stats.uid === owner || (stats.mode & STICKY) === 0)) {
      throw unsafe(step, WRITABLE, sharedFolderAdvice(step));
    }
  });
}

/**
 * A link has no mode of its own; whoever owns it can only change it if they can write its
 * directory.
 */
function assertStep(path: string, stats: Stats, userId: number): void {
  if (!stats.isDirectory() && !stats.isSymbolicLink()) {
    return;
  }
  assertOwner(path, stats, userId);
  if (isWritableDirectory(stats) && (stats.mode & STICKY) === 0) {
    throw unsafe(path, WRITABLE, sharedFolderAdvice(path));
  }
}

function isWritableDirectory(stats: Stats): boolean {
  return stats.isDirectory() && (stats.mode & WRITABLE_BY_OTHERS) !== 0;
}

/**
 * Opens a file that only root and `userId` may change, for reading: a regular one, in directories
 * that nobody else could put another one into. What is checked is what is read.
 * @throws AppError SYS_UNSAFE_PATH; SYS_PATH for what is no file; a system error (ENOENT, ...) when
 *   it cannot be opened.
 */
export function openUnwritableByOthers(path: string, userId: number): number {
  // Not blocking: to open a FIFO without a writer would not return.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    assertUnwritableByOthers(path, fstatSync(fd), userId);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Checks an open file: a regular one that only root and `userId` may change, and nobody else
 * replace.
 * @param opened the file's fstat(2)
 * @throws AppError SYS_UNSAFE_PATH; SYS_PATH for what is no file
 */
export function assertUnwritableByOthers(path: string, opened: Stats, userId: number): void {
  if (!opened.isFile()) {
    throw new AppError('SYS_PATH', `${path} is not a regular file`, {
      hint: 'it must be a file, whose owner and mode can be checked, and no folder or pipe',
    });
  }
  if ((opened.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unsafe(
      path,
      'others can write it',
      `chmod go-w ${path}, after a look at what is in it now`,
    );
  }
  assertOwner(path, opened, userId);
  assertOpenedThere(path, opened, userId);
}

/**
 * Checks the way to an open file, and that it leads to this file.
 * @param opened the file's fstat(2)
 * @throws AppError SYS_UNSAFE_PATH
 */
export function assertOpenedThere(path: string, opened: Stats, userId: number): void {
  const found = assertUnreplaceable(path, userId);
  if (found.dev !== opened.dev || found.ino !== opened.ino) {
    throw unsafe(path, 'it was replaced while it was opened', 'start again');
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
  if (!isTrustedOwner(stats, userId)) {
    throw unsafe(path, `it ${foreignOwnerProblem(stats)}`, foreignOwnerAdvice(stats));
  }
}
