// Chains of audit records for tests, and what the verifier says of lines and files. Used by test
// processes only.

import { readFileSync } from 'node:fs';
import { ChainVerifier, type ChainReport } from '../../../src/audit/audit-chain.js';
import { EMPTY_CHAIN, type ChainHead } from '../../../src/audit/chain-head.js';
import type { AuditEntry, AuditRecord } from '../../../src/audit/audit-record.js';
import { formatRecord, hashOfLine, parseRecord } from '../../../src/audit/record-line.js';

/** Lines of a good chain. */
export function makeChain(count: number, after: ChainHead = EMPTY_CHAIN): string[] {
  const lines: string[] = [];
  let head = after;
  for (let at = 0; at < count; at += 1) {
    const entry: AuditEntry = { event: 'decision', verdict: 'signed', connection: `c${head.seq}` };
    const line = lineAfter(head, entry);
    lines.push(line);
    head = headOf(line);
  }
  return lines;
}

/** A line that continues a chain. */
export function lineAfter(head: ChainHead, entry: AuditEntry, begins?: 'file'): string {
  const time = new Date(1.8e12 + head.seq).toISOString();
  return formatRecord({ ...entry, seq: head.seq + 1, time, begins, prev: head.hash });
}

export function headOf(line: string | undefined): ChainHead {
  if (line === undefined) {
    return EMPTY_CHAIN;
  }
  return { seq: parseRecord(Buffer.from(line)).seq, hash: hashOfLine(line) };
}

/** What the verifier says of files, each a list of lines. */
export function verifyLines(
  files: Readonly<Record<string, readonly string[]>>,
  knownHead?: ChainHead,
): ChainReport {
  const verifier = new ChainVerifier(...(knownHead === undefined ? [] : [knownHead]));
  for (const [name, lines] of Object.entries(files)) {
    verifier.beginFile(name);
    for (const line of lines) {
      verifier.push(Buffer.from(line, 'latin1'));
    }
  }
  return verifier.finish();
}

/** What the verifier says of files on disk, in this order. */
export function verifyFiles(paths: readonly string[], knownHead?: ChainHead): ChainReport {
  const verifier = new ChainVerifier(...(knownHead === undefined ? [] : [knownHead]));
  for (const path of paths) {
    verifier.beginFile(path);
    const lines = readFileSync(path, 'latin1').split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      verifier.push(Buffer.from(line, 'latin1'));
    }
    if (rest !== '') {
      verifier.push(Buffer.from(rest, 'latin1'), false);
    }
  }
  return verifier.finish();
}

/** The records of a file whose every line is one. */
export function readRecords(path: string): AuditRecord[] {
  const lines = readFileSync(path, 'latin1').split('\n');
  if (lines.pop() !== '') {
    throw new Error(`${path} does not end with a newline`);
  }
  return lines.map((line) => parseRecord(Buffer.from(line, 'latin1')));
}

/** The lines of a file that end; half a line at its end is left out. */
export function readWholeLines(path: string): Buffer[] {
  const lines = readFileSync(path, 'latin1').split('\n').slice(0, -1);
  return lines.map((line) => Buffer.from(line, 'latin1'));
}
