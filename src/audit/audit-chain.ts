// Verifies that audit records are a chain: each numbered after the one before and holding its hash.
// Pure, and incremental: lines go in, in the order of the files, and only the runs of linked
// records are remembered. It trusts nothing in the lines. Whoever can write the file can also write
// a whole new chain: what shows that is a head (number and hash) that was noted elsewhere.

import { messageOf } from '../lib/errors.js';
import {
  NO_HASH,
  hashOfLine,
  parseRecord,
  type AuditRecord,
  type ChainHead,
} from './audit-record.js';
import {
  explainBreaks,
  type ChainFinding,
  type ChainSegment,
  type Place,
  type RecordRange,
} from './chain-breaks.js';
import { KnownRecords, type KnownRecord } from './known-records.js';

export interface ChainNote extends Place {
  readonly message: string;
}

export interface ChainReport {
  /** Lines that are records. */
  readonly records: number;
  /** The chain's first and last record; undefined when there is none. */
  readonly first: number | undefined;
  readonly head: ChainHead | undefined;
  /** What breaks the chain, in the order of the lines; empty for a good one. */
  readonly findings: readonly ChainFinding[];
  /** What the signer itself said was lost, and where the first file begins. */
  readonly notes: readonly ChainNote[];
}

/** Breaks that are told apart; what follows is one more finding. */
const MAX_SEGMENTS = 10_000;
/**
 * Records before the end of a run that are remembered, to tell what was appended to it by others.
 */
const TAIL_RECORDS = 8;
const MAX_NOTES = 10_000;
const UNFINISHED =
  'an incomplete record, which nobody got an answer on; the next record tells of it';

/** What a file ends with, and is no whole line. */
interface OpenEnd {
  readonly finding: ChainFinding;
  /**
   * Of half a record, so that the daemon's own word for it is known; undefined for a whole one,
   * which has none.
   */
  readonly half: { readonly bytes: number; readonly sha256: string } | undefined;
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
  /** No break where the next record of the chain tells of it. */
  #openEnd: OpenEnd | undefined;
  #place: Place = { file: '', line: 0 };
  #overflow: Place | undefined;
  /** The first record that was not looked at, by its place among all. */
  #overflowAt: number | undefined;

  /** @param known records that must be among them, as they were noted earlier. */
  constructor(...known: readonly KnownRecord[]) {
    this.#known = new KnownRecords(known);
  }

  /** The lines that follow are of this file. */
  beginFile(name: string): void {
    this.#file = name;
    this.#files.push(name);
    this.#place = { file: name, line: 0 };
    this.#line = 0;
  }

  /**
   * Takes the next line.
   * @param line without its newline.
   * @param isComplete false for the last line of a file that has no newline.
   * @returns the record, or undefined when the line is none; the report says so.
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

  /** What is to be said of all lines so far. */
  finish(): ChainReport {
    this.#tellOpenEnd();
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
      findings: this.#inOrderOfLines(all),
      notes,
    };
  }

  /** Which of the records are none of the chain's, or not as they were; so far, and in order. */
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
      this.#keepOpenEnd(`record ${record.seq} has no end of line`, undefined);
    } catch (error) {
      if (isComplete) {
        this.#tellUnreadable({ kind: 'not-a-record', ...this.#place, message: messageOf(error) });
      } else {
        const half = { bytes: line.length, sha256: hashOfLine(line) };
        this.#keepOpenEnd('the last line is incomplete', half);
      }
    }
    return undefined;
  }

  #keepOpenEnd(message: string, half: OpenEnd['half']): void {
    this.#tellOpenEnd();
    this.#openEnd = { finding: { kind: 'truncated', ...this.#place, message }, half };
  }

  #tellOpenEnd(): void {
    const end = this.#openEnd;
    this.#openEnd = undefined;
    if (end !== undefined) {
      this.#tellUnreadable(end.finding);
    }
  }

  #tellUnreadable(finding: ChainFinding): void {
    this.#unreadableBefore += 1;
    if (this.#unreadable.length < MAX_SEGMENTS) {
      this.#unreadable.push(finding);
    } else {
      this.#overflow ??= finding;
    }
  }

  /**
   * A killed signer leaves it; the next one tells of it before anything else, and cuts it off where
   * it still can.
   */
  #excuseOpenEnd({ event, bytes, sha256 }: AuditRecord): void {
    const end = this.#openEnd;
    const isTold = event === 'gap' && end?.half?.bytes === bytes && end?.half?.sha256 === sha256;
    if (end?.half !== undefined && isTold) {
      this.#openEnd = undefined;
      this.#note({ file: end.finding.file, line: end.finding.line, message: UNFINISHED });
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
      this.#excuseOpenEnd(record);
    }
    this.#tellOpenEnd();
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

  #inOrderOfLines(findings: readonly ChainFinding[]): readonly ChainFinding[] {
    const rank = ({ file }: Place): number => this.#files.indexOf(file);
    const sorted = [...findings].sort((a, b) => rank(a) - rank(b) || a.line - b.line);
    // Two looks at the same line are one finding: the first says more.
    const told = new Set<string>();
    return sorted.filter(({ file, line }) => {
      const place = `${line} ${file}`;
      const isNew = !told.has(place);
      told.add(place);
      return isNew;
    });
  }
}

/**
 * Files in the order of their first records; those without a record come last.
 * @param firstRecordOf the first line of a file that `parseRecord` takes.
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

/** The head of a chain that has no record yet. */
export const EMPTY_CHAIN: ChainHead = { seq: 0, hash: NO_HASH };
