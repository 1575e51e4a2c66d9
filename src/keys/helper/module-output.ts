// Runs in clavigerd and in `clavigerd key`: logs what PKCS#11 modules print, which some do at every
// start (tpm2-pkcs11). Does not trust it: it is bounded and escaped. A module that has received a
// PIN may print that (pkcs11-spy, traces of OpenSC), perhaps later, for C libraries buffer their
// output: from then on nothing is logged.

import { Socket } from 'node:net';
import { printable } from '../../lib/printable.js';
import { HELPER_LINE_MARK } from '../../token/messages.js';
import type { KeyLog } from '../key-context.js';

const MAX_LINE_CHARACTERS = 500;
/** Most lines one helper may add to the log in its life. */
const MAX_LINES = 100;

/** The output of a helper, which is being logged. */
export interface CapturedOutput {
  /** To be called before a secret is sent: output of the module is dropped from then on. */
  silence(): void;
}

/**
 * Logs both output streams of a helper line by line; beyond the limit it reads on without logging.
 * Lines with the mark are the helper's own, hold no secret, and are always logged.
 */
export function captureOutput(
  streams: readonly (NodeJS.ReadableStream | null)[],
  log: KeyLog,
): CapturedOutput {
  let left = MAX_LINES;
  let isSilent = false;
  let hasDropped = false;
  const onLine = (line: string): void => {
    if (line.startsWith(HELPER_LINE_MARK)) {
      const text = line.slice(HELPER_LINE_MARK.length);
      log('error', `token helper: ${printable(text, MAX_LINE_CHARACTERS)}`);
      return;
    }
    if (line.trim() === '') {
      return;
    }
    if (isSilent) {
      if (!hasDropped) {
        hasDropped = true;
        log('info', 'token helper: module says more; not logged, for it has had a PIN');
      }
      return;
    }
    if (left === 0) {
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
  return {
    silence: () => {
      isSilent = true;
    },
  };
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
