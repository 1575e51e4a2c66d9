// The files an audit log was rotated to, by their names. Daemon and commands.

import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** `.1`, `.2.gz`, `-20261122.gz` (logrotate), `.20261122T013339Z` (clavigerd audit rotate) */
const ROTATED = /^[.-]\d[\dTZ.-]*(\.gz)?$/;

/** Whether `name` is what a log called `log` is rotated to. */
export function isRotatedName(name: string, log: string): boolean {
  return name.startsWith(log) && ROTATED.test(name.slice(log.length));
}

/** Whether there is any of them beside the log, compressed or not. @throws system errors */
export function hasRotatedLogs(log: string): boolean {
  return readdirSync(dirname(log)).some((name) => isRotatedName(name, basename(log)));
}

/** The file beside the log that was written last, of those not compressed. @throws system errors */
export function newestRotatedLog(log: string): string | undefined {
  return readdirSync(dirname(log))
    .filter((name) => isRotatedName(name, basename(log)) && !name.endsWith('.gz'))
    .map((name) => join(dirname(log), name))
    .map((path) => ({ path, time: statSync(path).mtimeMs }))
    .sort((one, other) => other.time - one.time)[0]?.path;
}
