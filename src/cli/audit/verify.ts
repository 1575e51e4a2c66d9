// `clavigerd audit verify`: whether the records of the files named are one unbroken chain, and what
// to say of it. The checking is audit/audit-chain.ts; here files go in and sentences come out.

import { ChainVerifier, type ChainReport } from '../../audit/audit-chain.js';
import type { RecordRange } from '../../audit/chain-finding.js';
import { MAX_RECORD_BYTES } from '../../audit/record-line.js';
import { formatHead, type ChainHead } from '../../audit/chain-head.js';
import type { KnownRecord } from '../../audit/known-records.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { readFileLines } from './file.js';
import { readHeadNote, type HeadNote } from './head-note.js';
import { filesOfLog, type AuditPlaces } from './places.js';
import { inOrderOfRecords } from './order.js';

export interface Verification extends ChainReport {
  /** False for a broken chain, and when there was no record to check. */
  readonly ok: boolean;
  /** In the order of their records. */
  readonly files: readonly string[];
}

/** With what `show` and `summary` leave out. */
export interface CheckedFiles extends Verification {
  /** Records that are none of the chain's, or not as they were, by their place among all. */
  readonly unchained: readonly RecordRange[];
}

const MAX_TRIES = 3;

/** @param known records that must be in the chain. @throws AppError SYS_FILE */
export async function verifyFiles(
  paths: readonly string[],
  known: readonly KnownRecord[],
): Promise<CheckedFiles> {
  const verifier = new ChainVerifier(...known);
  const files = await inOrderOfRecords(paths);
  for (const path of files) {
    verifier.beginFile(path);
    for await (const lines of readFileLines(path, MAX_RECORD_BYTES)) {
      for (const { bytes, isEnded } of lines) {
        verifier.push(bytes, isEnded);
      }
    }
  }
  const report = verifier.finish();
  const ok = report.findings.length === 0 && report.records > 0;
  return { ok, ...report, files, unchained: verifier.unchained() };
}

/**
 * Checks a log with all it was rotated to; the daemon's note of its last record, and of the first
 * of its file, tells a log that was cut off at either end, or that others went on with after the
 * daemon had ended in order.
 * @param named a record that must be in the chain as well.
 * @throws AppError SYS_FILE
 */
export async function verifyLog(
  { log, head }: AuditPlaces,
  named: ChainHead | undefined,
): Promise<CheckedFiles> {
  for (let tries = 1; ; tries += 1) {
    // Before the files: the daemon may go on writing meanwhile.
    const note = head === undefined ? undefined : readHeadNote(head);
    const known = [named, ...knownOf(note)].filter((record) => record !== undefined);
    const files = filesOfLog(log);
    // A rotation in the midst of it looks like a loss, or like a file that is gone; a start like a
    // record too many.
    const isFinal = (): boolean =>
      tries === MAX_TRIES ||
      (JSON.stringify(filesOfLog(log)) === JSON.stringify(files) && !hasStarted(head, note));
    try {
      const verification = await verifyFiles(files, known);
      if (verification.ok || isFinal()) {
        return verification;
      }
    } catch (error) {
      if (isFinal()) {
        throw error;
      }
    }
  }
}

function knownOf(note: HeadNote | undefined): readonly (KnownRecord | undefined)[] {
  const { head, first, pid } = note ?? {};
  return [head && { ...head, isEnd: pid === undefined }, first];
}

/** Whether a daemon has noted itself since, where none ran. */
function hasStarted(path: string | undefined, before: HeadNote | undefined): boolean {
  const isOver = path !== undefined && before !== undefined && before.pid === undefined;
  return isOver && JSON.stringify(readHeadNote(path)) !== JSON.stringify(before);
}

/** Findings, notes, the result, and the head to keep elsewhere. */
export function formatVerification(verification: Verification): readonly string[] {
  const { findings, notes, head } = verification;
  return [
    ...findings.map(({ file, line, kind, message }) => `${file}:${line}: ${kind}: ${message}`),
    ...notes.map(({ file, line, message }) => `${file}:${line}: note: ${message}`),
    resultOf(verification),
    ...(head === undefined ? [] : [`head ${formatHead(head)}`]),
  ].map((line) => printable(line));
}

function resultOf({ ok, records, first, head, files, findings }: Verification): string {
  const where = files.length === 1 ? 'one file' : `${files.length} files`;
  if (records === 0 || first === undefined || head === undefined) {
    return `no record in ${where}`;
  }
  const which = `records ${first} to ${head.seq}, in ${where}`;
  const places = findings.length === 1 ? 'one place' : `${findings.length} places`;
  return ok ? `${which}: the chain holds` : `${which}: the chain is broken, in ${places}`;
}

/** @throws AppError CONFIG_USAGE */
export function parseHead(text: string): ChainHead {
  const [, seq, hash] = /^([1-9]\d{0,15}):([0-9a-f]{64})$/.exec(text.toLowerCase()) ?? [];
  if (seq === undefined || hash === undefined) {
    throw new AppError('CONFIG_USAGE', '--head: not of the form SEQ:HASH', {
      hint: 'it is what `clavigerd audit verify` printed as head',
    });
  }
  return { seq: Number(seq), hash };
}
