// Finds the audit log from the daemon's configuration, for the `clavigerd audit` commands: its
// files, when none is named on the command line, and the file with the noted head.

import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { headPathOf } from '../../audit/audit-head.js';
import { isRotatedName } from '../../audit/rotated-logs.js';
import { AppError, messageOf } from '../../lib/errors.js';
import { loadDaemonConfig } from '../daemon/config.js';

export interface AuditPlaces {
  readonly log: string;
  /** Undefined for a daemon without a state directory. */
  readonly head: string | undefined;
}

const COMPRESSED = '.gz';

/** @throws AppError CONFIG_INVALID when the configuration has no audit log, or is wrong */
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
 * The log and the files it was rotated to, in no order. A file with two names, which an interrupted
 * rotation leaves, is returned once.
 * @throws AppError SYS_FILE
 */
export function filesOfLog(log: string): readonly string[] {
  const folder = dirname(log);
  const base = basename(log);
  try {
    const names = readdirSync(folder).filter((name) => name === base || isRotatedName(name, base));
    const paths = names
      .filter((name) => !isBeingCompressed(name, names))
      .map((name) => join(folder, name));
    return [...new Map(paths.map((path) => [identityOf(path), path])).values()];
  } catch (error) {
    throw new AppError('SYS_FILE', `audit log: ${messageOf(error)}`, { cause: error });
  }
}

function identityOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? path : `${stats.dev}:${stats.ino}`;
}

/**
 * Compressing removes the plain file at its end; until then the compressed one may be incomplete.
 */
function isBeingCompressed(name: string, names: readonly string[]): boolean {
  return name.endsWith(COMPRESSED) && names.includes(name.slice(0, -COMPRESSED.length));
}
