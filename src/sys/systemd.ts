// What systemd passes to a service: sockets (sd_listen_fds(3)). Sockets: in clavigerd, at start;
// the journal: both programs. The variables are trusted only when LISTEN_PID is the number of this
// process.

import { fstatSync } from 'node:fs';
import { AppError } from '../lib/errors.js';

/** The first descriptor systemd passes. */
const FIRST_FD = 3;
const MAX_FDS = 64;

export interface PassedSocket {
  readonly fd: number;
  /** FileDescriptorName= of the socket unit; `unknown` without one. */
  readonly name: string;
}

/**
 * The sockets passed by systemd, none when the variables are for another process. Deletes the
 * variables, so that no child takes them for its own.
 * @throws AppError CONFIG_INVALID for more than can be served: clients of the others would wait
 *   without end
 */
export function takePassedSockets(env: NodeJS.ProcessEnv, processId: number): PassedSocket[] {
  const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: names } = env;
  delete env['LISTEN_PID'];
  delete env['LISTEN_FDS'];
  delete env['LISTEN_FDNAMES'];
  if (pid !== String(processId) || fds === undefined || !/^[1-9]\d*$/.test(fds)) {
    return [];
  }
  if (Number(fds) > MAX_FDS) {
    throw new AppError(
      'CONFIG_INVALID',
      `systemd passed ${fds} sockets, and ${MAX_FDS} are possible`,
    );
  }
  const nameOf = names?.split(':') ?? [];
  return Array.from({ length: Number(fds) }, (_, at) => ({
    fd: FIRST_FD + at,
    name: nameOf[at] ?? 'unknown',
  }));
}

/** True when the descriptor is the journal stream systemd gave this service (systemd.exec(5)). */
export function isJournal(env: NodeJS.ProcessEnv, fd: number): boolean {
  const { JOURNAL_STREAM: stream } = env;
  if (stream === undefined) {
    return false;
  }
  try {
    const stats = fstatSync(fd);
    return stream === `${stats.dev}:${stats.ino}`;
  } catch {
    return false; // closed
  }
}
