// Opens a log to append to, where no other user can put another file in its place or write into it.
// Runs in clavigerd, at start and when a log is reopened. The checks are made on the open file.

import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { AppError, isAppError, rephrase, systemCodeOf } from '../../lib/errors.js';
import { isTrustedOwner } from './file-owner.js';
import { pathTrouble } from './path-trouble.js';
import { assertPrivateDirectory, assertUnwritableByOthers } from './safe-path.js';
import { effectiveUserId } from '../user.js';

const CREATED_MODE = 0o600;

/**
 * Opens a regular file, made with mode 0600 where there is none, or a character device such as
 * /dev/null. Its folder, and the way there, must be out of reach of others; the file too. A
 * symbolic link is not followed.
 * @param path absolute
 * @param what names its purpose in errors: `log file`.
 * @throws AppError SYS_PATH, SYS_UNSAFE_PATH; SYS_FILE for what may be otherwise at the next
 *   attempt
 */
export function openLogFile(path: string, what: string): number {
  const userId = effectiveUserId();
  assertFolder(path, what, userId);
  const fd = open(path, what);
  try {
    const stats = fstatSync(fd);
    if (!isDevice(stats, userId)) {
      assertUnwritableByOthers(path, stats, userId);
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw isAppError(error) ? rephrase(error, { message: `${what}: ${error.message}` }) : error;
  }
}

function assertFolder(path: string, what: string, userId: number): void {
  try {
    assertPrivateDirectory(dirname(path), userId);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === 'SYS_UNSAFE_PATH') {
      throw isAppError(error) ? rephrase(error, { message: `${what}: ${error.message}` }) : error;
    }
    const hint = 'make the folder, for the user this runs as (a systemd unit has LogsDirectory=)';
    throw pathTrouble(what, path, error.cause, hint);
  }
}

function open(path: string, what: string): number {
  // Not blocking: a FIFO without a reader must not hold the start up.
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOFOLLOW } = constants;
  try {
    return openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOFOLLOW, CREATED_MODE);
  } catch (error) {
    if (systemCodeOf(error) === 'ELOOP') {
      throw new AppError('SYS_PATH', `${what}: ${path} is a symbolic link`, {
        hint: 'name the file itself',
        cause: error,
      });
    }
    throw pathTrouble(what, path, error);
  }
}

/** /dev/null may be written by every user, and none can put another device in its place. */
function isDevice(stats: Stats, userId: number): boolean {
  return stats.isCharacterDevice() && isTrustedOwner(stats, userId);
}
