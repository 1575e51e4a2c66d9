// `clavigerd audit rotate`: moves the audit log aside and has the daemon open a new one. Runs for a
// person or a timer, beside the daemon. It signals only the process that has this very file open:
// SIGHUP ends most others.

import { linkSync, readdirSync, statSync, unlinkSync, type Stats } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.js';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { isLocked } from '../../sys/files/file-lock.js';
import { existingEntry } from '../../sys/files/safe-path.js';

export interface RotateOptions {
  readonly path: string;
  /**
   * The process that writes the log, by the daemon's own note; undefined when there is no such
   * note.
   */
  readonly readDaemonPid: () => number | undefined;
  readonly clock: Clock;
  /** How long the daemon has to open the new file, in ms. */
  readonly timeoutMs?: number;
}

export interface Rotation {
  /** Where the records up to now are. */
  readonly movedTo: string;
  /** The daemon that goes on in a new file; undefined when none was running. */
  readonly pid: number | undefined;
}

const REOPEN_TIMEOUT_MS = 10_000;
const POLL_MS = 25;
/** Rotations in one second, at most. */
const MAX_NAMES = 100;

/**
 * Moves the log to `NAME.<time in UTC>`, which is never a file that exists, and waits for the new
 * log.
 * @throws AppError AUDIT_ROTATE; once the log has been moved, the message says where it is.
 */
export async function rotateAuditLog(options: RotateOptions): Promise<Rotation> {
  const { path, clock, timeoutMs = REOPEN_TIMEOUT_MS } = options;
  const log = existingEntry(path);
  if (log?.isFile() !== true) {
    throw failed(log === undefined ? `${path} does not exist` : `${path} is not a regular file`);
  }
  const pid = isLocked(path) ? daemonOf(options, log) : undefined;
  const movedTo = moveAside(path, clock.now());
  const goesOn = pid !== undefined && (await reopen(pid, { path, movedTo, timeoutMs }));
  return { movedTo, pid: goesOn ? pid : undefined };
}

/** Before anything is moved: the process to signal. */
function daemonOf({ path, readDaemonPid }: RotateOptions, log: Stats): number {
  const pid = readDaemonPid();
  if (pid === undefined) {
    throw failed(`a process writes ${path}, but the state directory does not tell which`, {
      hint: 'is --config that of the daemon?',
    });
  }
  if (!hasOpen(pid, log)) {
    throw failed(`a process writes ${path}, but process ${pid}, the daemon's, does not show it`, {
      hint: "run this as root or as the daemon's user, and in its PID namespace",
    });
  }
  return pid;
}

function hasOpen(pid: number, log: Stats): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((fd) => isSameFile(`${folder}/${fd}`, log));
  } catch {
    return false; // gone, or somebody else's
  }
}

function isSameFile(path: string, log: Stats): boolean {
  try {
    const { dev, ino } = statSync(path);
    return dev === log.dev && ino === log.ino;
  } catch {
    return false; // closed meanwhile
  }
}

/** By a link and not by rename(2), which would replace a file of that name. */
function moveAside(path: string, now: number): string {
  const time = new Date(now).toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  for (let count = 0; count < MAX_NAMES; count += 1) {
    const name = `${path}.${time}${count === 0 ? '' : `-${count}`}`;
    try {
      linkSync(path, name);
      unlinkSync(path);
      return name;
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') {
        throw failed(messageOf(error), { cause: error });
      }
    }
  }
  throw failed(`${path}.${time} and ${MAX_NAMES - 1} names like it exist`);
}

interface Reopening {
  readonly path: string;
  readonly movedTo: string;
  readonly timeoutMs: number;
}

/** False when the process has ended meanwhile: the next one begins a new file. */
async function reopen(pid: number, { path, movedTo, timeoutMs }: Reopening): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  try {
    process.kill(pid, 'SIGHUP');
  } catch (error) {
    if (systemCodeOf(error) === 'ESRCH') {
      return false;
    }
    throw failed(`process ${pid}: ${messageOf(error)}; its records still go to ${movedTo}`, {
      hint: `send SIGHUP to process ${pid}`,
      cause: error,
    });
  }
  // A file alone may be anybody's, and until it is locked the daemon may yet give it up.
  while (existingEntry(path) === undefined || !isLocked(path)) {
    if (performance.now() > deadline) {
      throw failed(`the daemon, process ${pid}, has opened no new file; it writes to ${movedTo}`, {
        hint: 'its log tells why; nothing is lost, and SIGHUP has it try again',
      });
    }
    await sleep(POLL_MS);
  }
  return true;
}

function failed(problem: string, more: { hint?: string; cause?: unknown } = {}): AppError {
  return new AppError('AUDIT_ROTATE', `audit log: ${problem}`, more);
}
