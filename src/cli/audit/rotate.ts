// `clavigerd audit rotate`: renames the audit log and has the daemon open a new one. A process of
// its own, run by a person or a timer. It signals a process only if that has the log open, for
// SIGHUP ends most other programs.

import { linkSync, readdirSync, statSync, unlinkSync, type Stats } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../lib/clock.js';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { isLocked } from '../../sys/files/file-lock.js';
import { existingEntry } from '../../sys/files/safe-path.js';

interface RotateOptions {
  readonly path: string;
  /** The process that writes the log, from the noted head; undefined where there is none. */
  readonly readDaemonPid: () => number | undefined;
  readonly clock: Clock;
  /** How long to wait for the daemon to open the new file. */
  readonly timeoutMs?: number;
}

interface Rotation {
  /** The new name of the log. */
  readonly movedTo: string;
  /** The daemon, which has opened a new file; undefined when none was running. */
  readonly pid: number | undefined;
}

const REOPEN_TIMEOUT_MS = 10_000;
const POLL_MS = 25;
/** How many rotations in one second have different names. */
const MAX_NAMES = 100;

/**
 * Renames the log to `NAME.<time in UTC>`, which never replaces a file, and waits for the new log.
 * @throws AppError AUDIT_ROTATE; if the log has been renamed, the message says to what
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

/** The process to signal; found before anything is renamed. */
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
    return false; // the process has ended, or belongs to another user
  }
}

function isSameFile(path: string, log: Stats): boolean {
  try {
    const { dev, ino } = statSync(path);
    return dev === log.dev && ino === log.ino;
  } catch {
    return false; // it was closed in the meantime
  }
}

/** With link(2) instead of rename(2), which would replace an existing file. */
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

/**
 * Signals the daemon and waits until it has opened a new file. False when it has ended in the
 * meantime; then the next daemon begins a new file.
 */
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
  // Another process may have made the file; the daemon uses it when it is locked.
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
