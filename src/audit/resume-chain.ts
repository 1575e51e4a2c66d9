// Determines the head from which the chain goes on in a file that is opened, and which gaps to
// record. Runs in clavigerd. Where the file does not reach the noted head (kept in the state
// directory), the chain goes on from the noted head: so the numbers of missing records are not used
// again, and the chain shows where they were.

import { AppError } from '../lib/errors.js';
import { EMPTY_CHAIN, isSameHead, type ChainHead } from './chain-head.js';
import { AuditFile } from './audit-file.js';
import type { NotedHead } from './audit-head.js';
import type { Gap } from './gap-notes.js';
import { hasRotatedLogs, newestRotatedLog } from './rotated-logs.js';
import { MAX_RECORD_BYTES, hashOfLine, parseRecord } from './record-line.js';

/** How every line begins. */
const RECORD_START = '{"seq":';

interface ResumedChain {
  readonly head: ChainHead;
  /** To be recorded first. */
  readonly gaps: readonly Gap[];
}

/**
 * For the start of the daemon. The chain goes on after the last record of the file, or after the
 * noted head where the file does not reach it. An incomplete record at the end is cut off.
 * @param path of the file
 * @throws AppError AUDIT_RECORD when the file ends with something else than a record and there is
 *   no noted head; AUDIT_WRITE
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
  if (noted === undefined || last === undefined || isSameHead(last, noted)) {
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
 * The gap for records after the noted head. A daemon that was killed may have written some and not
 * noted them; one that ended normally has not.
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
 * Resumes the chain where the log is new or empty: the old one was moved away, or removed. If the
 * daemon ended before it had a new file, its last records are in the file that was moved, and the
 * noted head may not include them.
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
    // A record that was edited is not continued, so that the chain shows it.
    if (last.seq <= noted.seq && !isSameHead(last, noted)) {
      return asNoted;
    }
    const gaps = cutIncomplete(file, end);
    return {
      head: last,
      gaps: isSameHead(last, noted) ? gaps : [...gaps, unnotedEnd(last, noted)],
    };
  } catch {
    return asNoted; // no loss: verification shows what is missing
  } finally {
    file?.discard();
  }
}

/**
 * For a new file while the daemon runs, which should be empty: the chain goes on from its own head.
 * @returns the gaps to record
 * @throws AppError AUDIT_WRITE
 */
export function continueChain(file: AuditFile, head: ChainHead): readonly Gap[] {
  const end = readEnd(file);
  if (end.isForeign) {
    file.adopt();
    return [{ reason: 'the new file was not empty: its end is no record' }];
  }
  const gaps = cutIncomplete(file, end);
  return end.last === undefined || isSameHead(end.last, head)
    ? gaps
    : [...gaps, { reason: `the new file was not empty: it ended with record ${end.last.seq}` }];
}

/**
 * The first record of a file; undefined where the first line is no record.
 * @throws AppError AUDIT_WRITE
 */
export function firstOf(file: AuditFile): ChainHead | undefined {
  const line = file.readFirstLine();
  return line && headOf(line);
}

interface FileEnd {
  /** The last record; undefined where there is none. */
  readonly last: ChainHead | undefined;
  /** The bytes after the last newline. */
  readonly incomplete: Buffer;
  /** It is neither a record nor the beginning of one. */
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

/**
 * Cuts off an incomplete record. The gap holds its length and hash, by which verification accepts
 * it at the end of a copy that was made before.
 */
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
