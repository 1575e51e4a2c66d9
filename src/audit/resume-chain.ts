// Where an audit file that is opened leaves the chain, and what is wrong with it. Runs in the
// daemon. The head that was noted counts for more than the file: records that it tells of and that
// are not there are not written anew, so the chain shows where they were.

import { AppError } from '../lib/errors.js';
import { EMPTY_CHAIN, type ChainHead } from './chain-head.js';
import { AuditFile } from './audit-file.js';
import type { NotedHead } from './audit-head.js';
import type { Gap } from './gap-notes.js';
import { hasRotatedLogs, newestRotatedLog } from './rotated-logs.js';
import { MAX_RECORD_BYTES, hashOfLine, parseRecord } from './record-line.js';

/** Of every line. */
const RECORD_START = '{"seq":';

export interface ResumedChain {
  readonly head: ChainHead;
  /** What must be recorded. */
  readonly gaps: readonly Gap[];
}

/**
 * At the start of the daemon: the chain goes on after the file's last record, or after the noted
 * head where the file does not reach it. Half a record at the end is cut off.
 * @param path of the file. @throws AppError AUDIT_RECORD when neither the file nor a head tells how
 *   to go on; AUDIT_WRITE
 */
export function resumeChain(
  file: AuditFile,
  noted: NotedHead | undefined,
  path: string,
): ResumedChain {
  const end = readEnd(file);
  if (end.isForeign) {
    if (noted === undefined) {
      throw new AppError('AUDIT_RECORD', 'audit log: the end of the file is no record', {
        hint: 'move the file away, so that a new one is begun',
      });
    }
    file.adopt();
    return { head: noted, gaps: [{ reason: 'the end of the file is no record' }] };
  }
  const gaps = cutIncomplete(file, end);
  const { last } = end;
  if (last === undefined && noted !== undefined) {
    const moved = resumeMovedChain(path, noted);
    return { head: moved.head, gaps: [...gaps, ...moved.gaps] };
  }
  if (noted === undefined || last === undefined || isSame(last, noted)) {
    return { head: last ?? noted ?? EMPTY_CHAIN, gaps };
  }
  if (last.seq > noted.seq) {
    return { head: last, gaps: [...gaps, unnotedEnd(last, noted)] };
  }
  const reason =
    last.seq < noted.seq
      ? `the file ends at record ${last.seq}, but record ${noted.seq} had been written`
      : `record ${last.seq} of the file is not the one that had been written`;
  return { head: noted, gaps: [...gaps, { reason }] };
}

/**
 * A daemon that was killed may have written more than it noted; one that has ended in order has
 * not.
 */
function unnotedEnd(last: ChainHead, noted: NotedHead): Gap {
  const count = last.seq - noted.seq;
  const records = count === 1 ? '1 record' : `${count} records`;
  const where = `${records}, to record ${last.seq}, after record ${noted.seq}, the last that was noted`;
  const whose =
    noted.pid === 0
      ? 'the daemon had ended in order'
      : 'they may be the last ones of the daemon, which was killed';
  return { reason: `the file goes on with ${where}: ${whose}` };
}

/**
 * The log was moved away, or removed. If the daemon ended before it began a new one, then its last
 * records are where it was moved to, and some may not be noted.
 */
function resumeMovedChain(path: string, noted: NotedHead): ResumedChain {
  const asNoted = { head: noted, gaps: [] };
  let file: AuditFile | undefined;
  try {
    const moved = newestRotatedLog(path);
    if (moved === undefined) {
      const reason = `the file that ended with record ${noted.seq} is gone`;
      return hasRotatedLogs(path) ? asNoted : { head: noted, gaps: [{ reason }] };
    }
    file = new AuditFile(moved, false);
    const end = readEnd(file);
    const last = end.isForeign ? undefined : end.last;
    if (last === undefined) {
      return asNoted;
    }
    // One that was edited meanwhile is not gone on from: the chain is to show it.
    if (last.seq <= noted.seq && !isSame(last, noted)) {
      return asNoted;
    }
    const gaps = cutIncomplete(file, end);
    return { head: last, gaps: isSame(last, noted) ? gaps : [...gaps, unnotedEnd(last, noted)] };
  } catch {
    return asNoted; // it is not needed: the chain shows what is missing
  } finally {
    file?.discard();
  }
}

/**
 * While the daemon runs: the chain goes on as it was; a new file is expected to be empty.
 * @returns what must be recorded. @throws AppError AUDIT_WRITE
 */
export function continueChain(file: AuditFile, head: ChainHead): readonly Gap[] {
  const end = readEnd(file);
  if (end.isForeign) {
    file.adopt();
    return [{ reason: 'the new file was not empty: its end is no record' }];
  }
  const gaps = cutIncomplete(file, end);
  return end.last === undefined || isSame(end.last, head)
    ? gaps
    : [...gaps, { reason: `the new file was not empty: it ended with record ${end.last.seq}` }];
}

/**
 * The first record of a file; undefined where its first line is none. @throws AppError AUDIT_WRITE
 */
export function firstOf(file: AuditFile): ChainHead | undefined {
  const line = file.readFirstLine();
  return line && headOf(line);
}

interface FileEnd {
  /** The last record; undefined where there is none. */
  readonly last: ChainHead | undefined;
  /** What is after the last line feed. */
  readonly incomplete: Buffer;
  /** It is nothing a signer has written, not even a part of it. */
  readonly isForeign: boolean;
}

function readEnd(file: AuditFile): FileEnd {
  const { lastLine, incomplete } = file.readTail();
  const last = lastLine && headOf(lastLine);
  const isPart = RECORD_START.startsWith(incomplete.toString('latin1', 0, RECORD_START.length));
  return {
    last,
    incomplete,
    isForeign:
      (lastLine !== undefined && last === undefined) ||
      !isPart ||
      incomplete.length > MAX_RECORD_BYTES,
  };
}

/** Its length and hash are told: they excuse it in a copy of the file that was made before. */
function cutIncomplete(file: AuditFile, { incomplete }: FileEnd): readonly Gap[] {
  const bytes = incomplete.length;
  if (bytes === 0) {
    return [];
  }
  file.removeEnd(bytes);
  const reason = `incomplete record of ${bytes} bytes removed`;
  return [{ reason, bytes, sha256: hashOfLine(incomplete) }];
}

function headOf(line: Buffer): ChainHead | undefined {
  try {
    return { seq: parseRecord(line).seq, hash: hashOfLine(line) };
  } catch {
    return undefined;
  }
}

function isSame(a: ChainHead, b: ChainHead): boolean {
  return a.seq === b.seq && a.hash === b.hash;
}
