// Verifies that audit records are a chain: each has the next number and the hash of the record
// before. Pure; `clavigerd audit`. Lines go in, in the order of the files; only the first and the
// last records of each unbroken part ("segment") are kept in memory. Nothing in the lines is
// trusted. Whoever can write the files can also write a whole new chain, which only a head (the
// number and hash of a record) that was kept elsewhere reveals.

import { messageOf } from '../lib/errors.js';
import type { AuditRecord } from './audit-record.js';
import { explainBreaks, type ChainSegment } from './chain-breaks.js';
import {
  inOrderOfLines,
  type ChainFinding,
  type Place,
  type RecordRange,
} from './chain-finding.js';
import type { ChainHead } from './chain-head.js';
import { KnownRecords, type KnownRecord } from './known-records.js';
import { hashOfLine, parseRecord } from './record-line.js';

interface ChainNote extends Place {
  readonly message: string;
}

export interface ChainReport {
  /** How many lines are records. */
  readonly records: number;
  /** The number of the chain's first record, and its head; undefined when there is no record. */
  readonly first: number | undefined;
  readonly head: ChainHead | undefined;
  /** What is wrong, in the order of the lines; empty for a good chain. */
  readonly findings: readonly ChainFinding[];
  /** What is worth knowing of a good chain: gap records, and older files that are gone. */
  readonly notes: readonly ChainNote[];
}

/**
 * Breaks, and lines that are no records, that are reported; one more finding stands for the rest.
 */
const MAX_SEGMENTS = 10_000;
/** Records kept from the end of a segment, to recognize records that were appended to it. */
const TAIL_RECORDS = 8;
const MAX_NOTES = 10_000;
const UNFINISHED =
  'an incomplete record, which nobody got an answer on; the next record tells of it';

/**
 * The bytes after the last line feed of a file. A daemon that is killed while it writes leaves part
 * of a record there, and the next daemon's gap record describes it: then it is no break.
 */
interface UnfinishedLine {
  readonly finding: ChainFinding;
  /**
   * Length and hash of part of a record; undefined for a whole one, which no gap record describes.
   */
  readonly part: { readonly bytes: number; readonly sha256: string } | undefined;
}

export class ChainVerifier {
  readonly #known: KnownRecords;
  readonly #segments: ChainSegment[] = [];
  readonly #unreadable: ChainFinding[] = [];
  readonly #notes: ChainNote[] = [];
  readonly #files: string[] = [];
  #file = '';
  #line = 0;
  #records = 0;
  #unreadableBefore = 0;
  /** Waits for the next record, which may be the gap record that describes it. */
  #unfinished: UnfinishedLine | undefined;
  #place: Place = { file: '', line: 0 };
  #overflow: Place | undefined;
  /** The position, among all records, of the first one that was not examined. */
  #overflowAt: number | undefined;

  /** @param known records that must be in the chain, because they are known from elsewhere */
  constructor(...known: readonly KnownRecord[]) {
    this.#known = new KnownRecords(known);
  }

  /** Starts a file: the lines that follow are its lines. */
  beginFile(name: string): void {
    this.#file = name;
    this.#files.push(name);
    this.#place = { file: name, line: 0 };
    this.#line = 0;
  }

  /**
   * Takes the next line.
   * @param line without its newline
   * @param isComplete false for the last line of a file where it has no newline
   * @returns the record; undefined when the line is none, which the report contains
   */
  push(line: Uint8Array, isComplete = true): AuditRecord | undefined {
    this.#line += 1;
    this.#place = { file: this.#file, line: this.#line };
    const record = this.#parse(line, isComplete);
    if (record !== undefined) {
      this.#records += 1;
      const hash = hashOfLine(line);
      this.#known.compare({ seq: record.seq, hash }, this.#place);
      this.#link(record, hash);
      if (record.event === 'gap') {
        const message = `record ${record.seq}: the signer noted: ${record.reason ?? 'a gap'}`;
        this.#note({ ...this.#place, message });
      }
    }
    return record;
  }

  /** The report on all lines so far. */
  finish(): ChainReport {
    this.#reportUnfinished();
    const { findings, first, head } = explainBreaks(this.#segments);
    const ofKnown = this.#known.findings({ first, head, end: this.#place });
    const all = [...this.#unreadable, ...findings, ...ofKnown];
    if (this.#overflow !== undefined) {
      const message = 'too many breaks; what follows was not looked at';
      all.push({ kind: 'not-a-record', ...this.#overflow, message });
    }
    const notes = [...this.#notes];
    if (first !== undefined && first.seq > 1) {
      const message = `begins with record ${first.seq}`;
      notes.unshift({ file: first.file, line: first.line, message });
    }
    return {
      records: this.#records,
      first: first?.seq,
      head,
      findings: inOrderOfLines(all, this.#files),
      notes,
    };
  }

  /** The records so far that do not belong to the chain or were changed, in order. */
  unchained(): readonly RecordRange[] {
    const ranges = [...explainBreaks(this.#segments).unchained];
    if (this.#overflowAt !== undefined) {
      ranges.push({ from: this.#overflowAt, to: Infinity });
    }
    return ranges.sort((a, b) => a.from - b.from);
  }

  #parse(line: Uint8Array, isComplete: boolean): AuditRecord | undefined {
    try {
      const record = parseRecord(line);
      if (isComplete) {
        return record;
      }
      this.#keepUnfinished(`record ${record.seq} has no end of line`, undefined);
    } catch (error) {
      if (isComplete) {
        this.#reportUnreadable({ kind: 'not-a-record', ...this.#place, message: messageOf(error) });
      } else {
        const part = { bytes: line.length, sha256: hashOfLine(line) };
        this.#keepUnfinished('the last line is incomplete', part);
      }
    }
    return undefined;
  }

  #keepUnfinished(message: string, part: UnfinishedLine['part']): void {
    this.#reportUnfinished();
    this.#unfinished = { finding: { kind: 'truncated', ...this.#place, message }, part };
  }

  #reportUnfinished(): void {
    const unfinished = this.#unfinished;
    this.#unfinished = undefined;
    if (unfinished !== undefined) {
      this.#reportUnreadable(unfinished.finding);
    }
  }

  #reportUnreadable(finding: ChainFinding): void {
    this.#unreadableBefore += 1;
    if (this.#unreadable.length < MAX_SEGMENTS) {
      this.#unreadable.push(finding);
    } else {
      this.#overflow ??= finding;
    }
  }

  /** Makes a note of an unfinished line that this record, a gap, describes. */
  #acceptUnfinished({ event, bytes, sha256 }: AuditRecord): void {
    const { finding, part } = this.#unfinished ?? {};
    const isDescribed = event === 'gap' && part?.bytes === bytes && part?.sha256 === sha256;
    if (finding !== undefined && part !== undefined && isDescribed) {
      this.#unfinished = undefined;
      this.#note({ file: finding.file, line: finding.line, message: UNFINISHED });
    }
  }

  #note(note: ChainNote): void {
    if (this.#notes.length < MAX_NOTES) {
      this.#notes.push(note);
    }
  }

  #link(record: AuditRecord, hash: string): void {
    const { seq, prev } = record;
    const beginsFile = record.begins !== undefined;
    const linked = { ...this.#place, at: this.#records, seq, prev, hash, beginsFile };
    const open = this.#segments.at(-1);
    const follows = open !== undefined && seq === open.last.seq + 1 && prev === open.last.hash;
    if (follows && this.#unreadableBefore === 0) {
      this.#acceptUnfinished(record);
    }
    this.#reportUnfinished();
    const unreadableBefore = this.#unreadableBefore;
    this.#unreadableBefore = 0;
    if (follows && unreadableBefore === 0) {
      open.tail.push(open.last);
      if (open.tail.length > TAIL_RECORDS) {
        open.tail.shift();
      }
      open.last = linked;
    } else if (this.#segments.length < MAX_SEGMENTS) {
      this.#segments.push({ first: linked, last: linked, tail: [], unreadableBefore });
    } else {
      this.#overflow ??= this.#place;
      this.#overflowAt ??= linked.at;
    }
  }
}

/**
 * Files in the order of their first records; those without a record come last.
 * @param firstRecordOf reads the first line of a file that is a record
 */
export function inChainOrder<T>(
  files: readonly T[],
  firstRecordOf: (file: T) => AuditRecord | undefined,
): T[] {
  return files
    .map((file) => ({ file, seq: firstRecordOf(file)?.seq ?? Infinity }))
    .sort((a, b) => (a.seq === b.seq ? 0 : a.seq - b.seq))
    .map(({ file }) => file);
}
