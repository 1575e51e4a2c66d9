// Where the audit log is: the files the `clavigerd audit` commands read when none is named, and the daemon's
// note of its last record. Known from the daemon's configuration alone.

import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { headPathOf } from '../audit/audit-head.js';
import { AppError, messageOf } from '../lib/errors.js';
import { loadDaemonConfig } from './daemon-config.js';

export interface AuditPlaces {
  readonly log: string;
  /** Undefined for a daemon without a state directory. */
  readonly head: string | undefined;
}

/** `.1`, `.2.gz`, `-20261122.gz` (logrotate), `.20261122T013339Z` (clavigerd audit rotate) */
const ROTATED = /^[.-]\d[\dTZ.-]*(\.gz)?$/;
const COMPRESSED = '.gz';

/** @throws AppError CONFIG_INVALID when there is no audit log, or for what is wrong with the configuration. */
export function loadAuditPlaces(config: string | undefined): AuditPlaces {
  const { auditLog, stateDirectory } = loadDaemonConfig({ config }, undefined).config;
  if (auditLog === undefined) {
    throw new AppError('CONFIG_INVALID', 'audit log: the configuration names none', {
      hint: 'set audit-log, use --config, or name the files to read',
    });
  }
  return {
    log: auditLog,
    head: stateDirectory === '' ? undefined : headPathOf(stateDirectory, auditLog),
  };
}

/**
 * The log and what it was rotated to, in no order.
 * @throws AppError SYS_FILE
 */
export function filesOfLog(log: string): readonly string[] {
  const folder = dirname(log);
  const base = basename(log);
  try {
    const names = readdirSync(folder).filter((name) => name === base || isRotated(name, base));
    return names.filter((name) => !isBeingMade(name, names)).map((name) => join(folder, name));
  } catch (error) {
    throw new AppError('SYS_FILE', `audit log: ${messageOf(error)}`, { cause: error });
  }
}

/** Whoever compresses a file removes it when that is done: until then the compressed one may be a part. */
function isBeingMade(name: string, names: readonly string[]): boolean {
  return name.endsWith(COMPRESSED) && names.includes(name.slice(0, -COMPRESSED.length));
}

function isRotated(name: string, base: string): boolean {
  return name.startsWith(base) && ROTATED.test(name.slice(base.length));
}
