// `clavigerd audit verify`: checks whether the records of files are one unbroken chain, and formats
// the result. This file reads the files; the verification itself is audit/audit-chain.ts.

import { ChainVerifier, type ChainReport } from '../../audit/audit-chain.js';
import type { RecordRange } from '../../audit/chain-finding.js';
import { MAX_RECORD_BYTES } from '../../audit/record-line.js';
import { formatHead, type ChainHead } from '../../audit/chain-head.js';
import type { KnownRecord } from '../../audit/known-records.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { readFileLines } from './file.js';
import { readHeadNote, type HeadNote } from './head-note.js';
import { filesOfLog, type AuditPlaces } from './log-location.js';
import { inOrderOfRecords } from './file-order.js';

interface Verification extends ChainReport {
  /** False for a broken chain, and when there was no record to check. */
  readonly ok: boolean;
  /** The files in the order of their records. */
  readonly files: readonly string[];
}

/** A verification, with the records that `show` and `summary` leave out. */
interface CheckedFiles extends Verification {
  /** Records that do not belong to the chain or were changed, by their position among all. */
  readonly unchained: readonly RecordRange[];
}

const MAX_TRIES = 3;

/** @param known records that must be in the chain @throws AppError SYS_FILE */
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
 * Verifies a log with all files it was rotated to. The noted head, and the first record of the open
 * file noted with it, show whether the log was cut off at either end, or records were added after
 * the daemon had ended.
 * @param named another record that must be in the chain
 * @throws AppError SYS_FILE
 */
export async function verifyLog(
  { log, head }: AuditPlaces,
  named: ChainHead | undefined,
): Promise<CheckedFiles> {
  for (let tries = 1; ; tries += 1) {
    // Before the files are read, to which the daemon may add records in the meantime.
    const note = head === undefined ? undefined : readHeadNote(head);
    const known = [named, ...knownOf(note)].filter((record) => record !== undefined);
    const files = filesOfLog(log);
    // A rotation during the reading looks like missing records or a missing file, and the start of
    // a daemon like records after the end: then all is read again.
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

/** Whether a daemon has started since `before` was read, when none was running. */
function hasStarted(path: string | undefined, before: HeadNote | undefined): boolean {
  const isOver = path !== undefined && before !== undefined && before.pid === undefined;
  return isOver && JSON.stringify(readHeadNote(path)) !== JSON.stringify(before);
}

/** Lines to print: findings, notes, the result, and the head to keep elsewhere. */
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
