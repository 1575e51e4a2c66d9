// What PKCS#11 modules print, caught and put in the daemon's log. Runs in the daemon.
// Modules print freely (tpm2-pkcs11 does at every start): bounded, escaped, never on our own stderr.

import { Socket } from 'node:net';
import { printable } from '../lib/printable.js';
import type { KeyLog } from './key-context.js';

const MAX_LINE_CHARACTERS = 500;
/** Most lines one helper may add to the log in its life. */
const MAX_LINES = 100;

/** Logs both output streams of a helper line by line; reads on, silently, once the limit is passed. */
export function captureOutput(
  streams: readonly (NodeJS.ReadableStream | null)[],
  log: KeyLog,
): void {
  let left = MAX_LINES;
  const onLine = (line: string): void => {
    if (left === 0 || line.trim() === '') {
      return;
    }
    left -= 1;
    log('warning', `token helper: module says: ${printable(line, MAX_LINE_CHARACTERS)}`);
    if (left === 0) {
      log('warning', 'token helper: module says more; no longer logged');
    }
  };
  for (const stream of streams) {
    if (stream === null) {
      continue;
    }
    if (stream instanceof Socket) {
      stream.unref();
    }
    splitLines(stream, onLine);
  }
}

function splitLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let pending = '';
  stream.setEncoding('utf8');
  stream.on('error', () => undefined);
  stream.on('data', (chunk: string) => {
    const lines = (pending + chunk).split('\n');
    pending = (lines.pop() ?? '').slice(0, MAX_LINE_CHARACTERS);
    lines.forEach(onLine);
  });
  stream.on('end', () => {
    onLine(pending);
  });
}
