// The identity of a PIN source: a text that changes when the content of the source may have
// changed, and that is not derived from the PIN. Runs in clavigerd and its commands. A source that
// cannot show a change has a constant identity: a refusal then lasts until `clavigerd pin clear`.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { systemCodeOf } from '../../lib/errors.js';
import type { PinSource } from './pin-source.js';

/** The identity of a file that does not exist now. */
export const GONE = 'gone';

/**
 * The identity of a source; `GONE` for a file that is not there.
 * @param credentialsDirectory where systemd puts credentials: it creates those files anew at every
 *   start, so their times and inodes would make each restart look like a change.
 */
export function identifyPinSource(
  source: PinSource,
  credentialsDirectory: string | undefined,
): string {
  const name = formatPinSource(source);
  switch (source.kind) {
    case 'file':
      return dirname(source.path) === credentialsDirectory ? name : identifyFile(source.path);
    case 'prompt':
      // Another answer can come with each start; no supervisor restarts a program that prompts.
      return `${name}, asked by process ${process.pid} since ${Math.round(performance.timeOrigin)}`;
    case 'command':
      return `|${source.words.join(' ')}`;
    case 'credential':
    case 'env':
    case 'pinentry':
    case 'pinpad':
      return name;
  }
}

function identifyFile(path: string): string {
  try {
    const { dev, ino, ctimeNs, mtimeNs } = statSync(path, { bigint: true });
    return `file:${path} dev=${dev} ino=${ino} ctime=${ctimeNs} mtime=${mtimeNs}`;
  } catch (error) {
    return systemCodeOf(error) === 'ENOENT' ? GONE : `file:${path}`;
  }
}

/** The source as the configuration writes it, for messages; of a command the program alone. */
export function formatPinSource(source: PinSource): string {
  switch (source.kind) {
    case 'file':
      return `file:${source.path}`;
    case 'env':
      return `env:${source.name}`;
    case 'credential':
      return `credential:${source.name}`;
    case 'command':
      return `|${source.words[0]}`;
    case 'prompt':
    case 'pinentry':
    case 'pinpad':
      return source.kind;
  }
}
