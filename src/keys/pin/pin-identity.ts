// What a PIN source is at a moment, as text: it changes when the source does, and says nothing of
// the PIN. Runs in the daemon and in commands. What cannot show a change has a constant identity:
// then a refusal holds until `clavigerd pin clear`.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { performance } from 'node:perf_hooks';
import { systemCodeOf } from '../../lib/errors.js';
import type { PinSource } from './pin-source.js';

/** The source is not there now. */
export const GONE = 'gone';

/**
 * The identity of a source; `GONE` for a file that is not there.
 * @param credentialsDirectory where systemd puts credentials: those files are made anew at every
 *   start, so their times and inodes would call each restart a change.
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
      // A person answers anew at each start, and nobody restarts a program that asks on a terminal.
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

/** The source for people, as it is written in the configuration; of a command its program alone. */
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
