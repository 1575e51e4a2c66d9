// Reads files that hold a secret: a private key, a PIN, a passphrase. Runs in clavigerd and its
// commands. A file that others can read is refused, since its content is no secret any more; an
// encrypted key may be read by others, but not replaced. Nor may others be able to put another file
// at its path.

import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { AppError, isAppError, messageOf, rephrase } from '../../lib/errors.js';
import { readAtMost } from './bounded-file.js';
import {
  foreignOwnerAdvice,
  foreignOwnerProblem,
  isTrustedOwner,
  privateFileAdvice,
} from './file-owner.js';
import { pathTrouble } from './path-trouble.js';
import { assertOpenedThere } from './safe-path.js';
import { effectiveUserId, userName } from '../user.js';

/** Keys and PINs are far smaller; anything larger is not one. */
const MAX_PRIVATE_FILE_BYTES = 64 * 1024;
const ACCESS_OF_GROUP_AND_OTHERS = 0o077;
const READABLE_BY_GROUP = 0o040;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Reads a whole regular file that only its owner, root or this process's user, can read or write,
 * and that nobody else could replace by any directory or symbolic link on the way. The buffer is
 * the caller's to wipe.
 * @param what names the file's purpose in errors: `account key`, `PIN file`.
 * @throws AppError SYS_PATH when it is missing, closed to this user, or no such file; SYS_FILE when
 *   reading fails; SYS_UNSAFE_PATH when others have access to it, or to a step of its path.
 */
export function readPrivateFile(path: string, what: string): Buffer {
  return readChecked(path, what, assertPrivate);
}

/**
 * Reads a whole regular file that others may read but not write: an encrypted key.
 * @param what names the file's purpose in errors.
 * @throws AppError SYS_PATH, SYS_FILE or SYS_UNSAFE_PATH, as `readPrivateFile`
 */
export function readUnwritableFile(path: string, what: string): Buffer {
  return readChecked(path, what, assertUnwritable);
}

type Check = (path: string, what: string, stats: Stats) => void;

function readChecked(path: string, what: string, check: Check): Buffer {
  const fd = openFile(path, what);
  try {
    // On the open file: what is checked is what is read.
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      throw new AppError('SYS_PATH', `${what}: ${path} is not a regular file`);
    }
    check(path, what, stats);
    assertOwner(path, what, stats);
    assertPath(path, what, stats);
    return readAll(fd, path, what);
  } finally {
    closeSync(fd);
  }
}

function openFile(path: string, what: string): number {
  try {
    // Not blocking: to open a FIFO without a writer would not return.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw pathTrouble(
      what,
      path,
      error,
      `correct the path, or put the file there: readable by ${userName()} alone`,
    );
  }
}

function assertPrivate(path: string, what: string, stats: Stats): void {
  if ((stats.mode & accessOfOthers(stats)) !== 0) {
    throw new AppError(
      'SYS_UNSAFE_PATH',
      `${what}: ${path} has mode ${shownMode(stats)}: others have access`,
      { hint: `${privateFileAdvice(path, stats)}; if others could read it, replace the secret` },
    );
  }
}

function assertUnwritable(path: string, what: string, stats: Stats): void {
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new AppError(
      'SYS_UNSAFE_PATH',
      `${what}: ${path} has mode ${shownMode(stats)}: others can write it`,
      { hint: `chmod go-w ${path}, after a look at what is in it now` },
    );
  }
}

function assertOwner(path: string, what: string, stats: Stats): void {
  if (!isTrustedOwner(stats, effectiveUserId())) {
    throw new AppError('SYS_UNSAFE_PATH', `${what}: ${path} ${foreignOwnerProblem(stats)}`, {
      hint: foreignOwnerAdvice(stats),
    });
  }
}

function assertPath(path: string, what: string, stats: Stats): void {
  try {
    assertOpenedThere(path, stats, effectiveUserId());
  } catch (error) {
    throw isAppError(error)
      ? rephrase(error, { message: `${what}: ${path}: ${error.message}` })
      : new AppError('SYS_FILE', `${what}: ${messageOf(error)}`, { cause: error });
  }
}

function shownMode(stats: Stats): string {
  return (stats.mode & 0o7777).toString(8).padStart(4, '0');
}

/**
 * systemd lets a service's user read a credential by an access control list (systemd.exec(5)): the
 * file is root's, and stat(2) shows the list's mask, 0440, where the group's bits would be.
 */
function accessOfOthers(stats: Stats): number {
  const isRoots = stats.uid === 0 && stats.gid === 0;
  return isRoots ? ACCESS_OF_GROUP_AND_OTHERS & ~READABLE_BY_GROUP : ACCESS_OF_GROUP_AND_OTHERS;
}

function readAll(fd: number, path: string, what: string): Buffer {
  let content: Buffer | undefined;
  try {
    content = readAtMost(fd, MAX_PRIVATE_FILE_BYTES);
  } catch (error) {
    throw new AppError('SYS_FILE', `${what}: ${path}: ${messageOf(error)}`, { cause: error });
  }
  if (content === undefined) {
    throw new AppError('SYS_PATH', `${what}: ${path} is larger than 64 KiB`);
  }
  return content;
}
