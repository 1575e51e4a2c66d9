// Finds the files that an audit log was rotated to, by their names: those of logrotate and of
// `clavigerd audit rotate`. clavigerd and `clavigerd audit`.

import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** `.1`, `.2.gz`, `-20261122.gz` (logrotate), `.20261122T013339Z` (clavigerd audit rotate) */
const ROTATED = /^[.-]\d[\dTZ.-]*(\.gz)?$/;

/** Whether a log called `log` may have been rotated to `name`. */
export function isRotatedName(name: string, log: string): boolean {
  return name.startsWith(log) && ROTATED.test(name.slice(log.length));
}

/** Whether there is such a file beside the log, compressed or not. @throws system errors */
export function hasRotatedLogs(log: string): boolean {
  return readdirSync(dirname(log)).some((name) => isRotatedName(name, basename(log)));
}

/** The one that was written last, of those that are not compressed. @throws system errors */
export function newestRotatedLog(log: string): string | undefined {
  return readdirSync(dirname(log))
    .filter((name) => isRotatedName(name, basename(log)) && !name.endsWith('.gz'))
    .map((name) => join(dirname(log), name))
    .map((path) => ({ path, time: statSync(path).mtimeMs }))
    .sort((one, other) => other.time - one.time)[0]?.path;
}
