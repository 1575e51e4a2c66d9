// Opens and locks a file of the audit log. Runs in clavigerd. It refuses a file that other users
// can change, and one that another process writes; what is in the file is for others to check.

import { closeSync, constants, fstatSync, fsyncSync, openSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../lib/errors.js';
import { lockFile } from '../sys/files/file-lock.js';
import { foreignOwnerProblem, isTrustedOwner } from '../sys/files/file-owner.js';
import { assertPrivateDirectory } from '../sys/files/safe-path.js';
import { effectiveUserId } from '../sys/user.js';
import { attempt } from './audit-error.js';

const WRITABLE_BY_OTHERS = 0o022;
/** A process that only checks for the lock holds it for some milliseconds. */
const LOCK_WAIT_SECONDS = 1;

/**
 * Opens a file for appending, makes it where there is none, and locks it. Blocks for some
 * milliseconds.
 * @param isDurable the name of a new file is on disk, too, when this returns
 * @returns the descriptor
 * @throws AppError AUDIT_WRITE; SYS_UNSAFE_PATH when others can change the file; SYS_LOCKED when
 *   another process writes it
 */
export function openAuditFile(path: string, isDurable: boolean): number {
  const userId = effectiveUserId();
  assertPrivateDirectory(dirname(path), userId);
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  // O_NONBLOCK: opening a FIFO must not block the daemon.
  const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  const fd = attempt(() => openSync(path, flags, 0o600));
  try {
    assertUnchangeable(path, fstatSync(fd), userId);
    lockFile(fd, { waitSeconds: LOCK_WAIT_SECONDS, what: `audit log ${path}` });
    if (isDurable && attempt(() => fstatSync(fd).size) === 0) {
      attempt(() => {
        syncDirectory(dirname(path));
      });
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** @throws AppError when it is no regular file, or other users can change it */
function assertUnchangeable(path: string, stats: Stats, userId: number): void {
  if (!stats.isFile()) {
    throw new AppError('AUDIT_WRITE', `audit log: ${path} is not a regular file`);
  }
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new AppError('SYS_UNSAFE_PATH', `audit log: others can write ${path}`, {
      hint: `chmod go-w ${path}`,
    });
  }
  if (!isTrustedOwner(stats, userId)) {
    throw new AppError('SYS_UNSAFE_PATH', `audit log: ${path}: it ${foreignOwnerProblem(stats)}`);
  }
}

/** Without it a power failure may remove the name of a new file. */
function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
