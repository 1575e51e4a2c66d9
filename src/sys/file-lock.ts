// A lock on an open file, for as long as it is open. Daemon and commands.
// Node has no flock(2), so flock(1) of util-linux takes it on the descriptor it inherits: the lock belongs to
// the open file, not to the process, and the kernel frees it when the file is closed, however we end.

import { spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { AppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';

/** By their full names: the search path is the environment's. */
const PROGRAMS = ['/usr/bin/flock', '/bin/flock'] as const;
/** What flock(1) ends with when another holds the lock; none of its own exit codes. */
const HELD_EXIT_CODE = 99;
/** Beyond the time it may wait for the lock. */
const FLOCK_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 4096;
/** The place of the descriptor in the child: the first after standard error. */
const CHILD_FD = '3';

export interface LockOptions {
  /** How long another may hold it before that is an error; 0: not at all. */
  readonly waitSeconds: number;
  /** What is locked, in errors. */
  readonly what?: string;
}

/**
 * Locks an open file against everybody else who locks it, until the descriptor is closed. Blocks the event
 * loop for some milliseconds, and for as long as it waits.
 * @throws AppError SYS_LOCKED when another holds the lock; SYS_FILE when it cannot be taken at all.
 */
export function lockFile(fd: number, options: LockOptions): void {
  const what = options.what ?? 'lock';
  if (!takeLock(fd, '--exclusive', options.waitSeconds, what)) {
    throw new AppError('SYS_LOCKED', `${what}: another process is using it`, {
      hint: 'end that process first, or give this one a place of its own',
    });
  }
}

/**
 * True while a process holds the lock of the file at a path; false when there is no such file. Whoever asks
 * for the lock in these milliseconds, without waiting, finds it held.
 * @throws AppError SYS_FILE
 */
export function isLocked(path: string): boolean {
  if (!existsSync(path)) {
    return false;
  }
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new AppError('SYS_FILE', `lock: ${messageOf(error)}`, { cause: error });
  }
  try {
    // Shared, so that two who ask do not see each other.
    return !takeLock(fd, '--shared', 0, path);
  } finally {
    closeSync(fd);
  }
}

function takeLock(fd: number, kind: string, waitSeconds: number, what: string): boolean {
  const program = PROGRAMS.find((path) => existsSync(path));
  if (program === undefined) {
    throw new AppError('SYS_FILE', `${what}: cannot be locked: there is no ${PROGRAMS[0]}`, {
      hint: 'it is part of util-linux',
    });
  }
  const wait = waitSeconds > 0 ? ['--timeout', String(waitSeconds)] : ['--nonblock'];
  const args = [kind, ...wait, '--conflict-exit-code', String(HELD_EXIT_CODE), CHILD_FD];
  const { status, signal, stderr, error } = spawnSync(program, args, {
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', fd],
    timeout: waitSeconds * 1000 + FLOCK_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_MESSAGE_BYTES,
    encoding: 'utf8',
  });
  if (status === 0 || status === HELD_EXIT_CODE) {
    return status === 0;
  }
  // A program that could not be started has no output at all.
  const said = error === undefined ? printable(stderr.trim()) : messageOf(error);
  const problem = said || (signal ?? `exit status ${status}`);
  throw new AppError('SYS_FILE', `${what}: cannot be locked: ${problem}`, { cause: error });
}
