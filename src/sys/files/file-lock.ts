// A lock on an open file, for as long as it is open. Any process. `lockFile` blocks the event loop,
// at the start of the daemon; `waitForLock` does not, where requests are served. Node has no
// flock(2), so flock(1) of util-linux takes the lock on the descriptor it inherits: the lock
// belongs to the open file, not to the process, and the kernel frees it when the file is closed,
// however the process ends.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';

/** By their full paths: PATH belongs to whoever starts us. */
const PROGRAMS = ['/usr/bin/flock', '/bin/flock'] as const;
/** What flock(1) exits with when another process holds the lock; none of its own exit codes. */
const HELD_EXIT_CODE = 99;
const CONFLICT = ['--conflict-exit-code', String(HELD_EXIT_CODE)] as const;
/** Beyond the time it may wait for the lock. */
const FLOCK_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 4096;
/** The place of the descriptor in the child: the first after standard error. */
const CHILD_FD = '3';

interface LockOptions {
  /** How long another may hold it before that is an error; 0: not at all. */
  readonly waitSeconds: number;
  /** What is locked, in errors. */
  readonly what?: string;
}

/**
 * Locks an open file against everybody else who locks it, until the descriptor is closed. Blocks
 * the event loop for some milliseconds, and for as long as it waits.
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
 * True while a process holds the lock of the file at a path; false when there is no such file.
 * Whoever asks for the lock in these milliseconds, without waiting, finds it held.
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
    return isHeldByAnother(fd, path);
  } finally {
    closeSync(fd);
  }
}

export interface LockWait {
  /** How long another may hold it before that is an error. */
  readonly waitMs: number;
  /** Ends the wait with the error that another process holds the lock. */
  readonly signal: AbortSignal;
  /** What is locked, in errors. */
  readonly what: string;
}

/**
 * Locks an open file as `lockFile` does, and leaves the event loop free meanwhile. Those who wait
 * get it in their order.
 * @throws AppError SYS_LOCKED when another holds the lock for so long, or the wait is ended;
 *   SYS_FILE when it cannot be taken at all.
 */
export async function waitForLock(fd: number, { waitMs, signal, what }: LockWait): Promise<void> {
  const seconds = (waitMs / 1000).toFixed(3);
  const args = ['--exclusive', '--timeout', seconds, ...CONFLICT, CHILD_FD];
  const stopping = new AbortController();
  const stop = (): void => {
    stopping.abort();
  };
  const timer = setTimeout(stop, waitMs + FLOCK_TIMEOUT_MS);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) {
    stop();
  }
  try {
    const how = await endOfFlock(args, fd, what, stopping.signal);
    if (how === HELD_EXIT_CODE || signal.aborted) {
      throw new AppError('SYS_LOCKED', `${what}: another process is using it`);
    }
    if (how !== 0) {
      throw new AppError('SYS_FILE', `${what}: cannot be locked: flock ended with ${how}`);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** Gives its exit code, or the signal that ended it. */
async function endOfFlock(
  args: readonly string[],
  fd: number,
  what: string,
  stop: AbortSignal,
): Promise<number | string> {
  const program = flockProgram(what);
  try {
    return await new Promise((resolve, reject) => {
      // A group of its own: an interrupt typed at the terminal is for us, and we end it.
      const child = spawn(program, args, {
        env: {},
        stdio: ['ignore', 'ignore', 'ignore', fd],
        detached: true,
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        resolve(code ?? signal ?? 'an unknown status');
      });
      const kill = (): void => {
        child.kill('SIGKILL');
      };
      stop.addEventListener('abort', kill, { once: true });
      if (stop.aborted) {
        kill();
      }
    });
  } catch (error) {
    throw new AppError('SYS_FILE', `${what}: cannot be locked: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** True while another holds the lock of an open file. @throws AppError SYS_FILE */
export function isHeldByAnother(fd: number, what: string): boolean {
  // Shared, so that two who ask do not see each other.
  return !takeLock(fd, '--shared', 0, what);
}

function flockProgram(what: string): string {
  const program = PROGRAMS.find((path) => existsSync(path));
  if (program === undefined) {
    throw new AppError('SYS_FILE', `${what}: cannot be locked: there is no ${PROGRAMS[0]}`, {
      hint: 'it is part of util-linux',
    });
  }
  return program;
}

function takeLock(fd: number, kind: string, waitSeconds: number, what: string): boolean {
  const wait = waitSeconds > 0 ? ['--timeout', String(waitSeconds)] : ['--nonblock'];
  const args = [kind, ...wait, ...CONFLICT, CHILD_FD];
  const { status, signal, stderr, error } = spawnSync(flockProgram(what), args, {
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
