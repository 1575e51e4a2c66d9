// Verifies that audit records are a chain: each numbered after the one before and holding its hash. Pure, and
// incremental: lines go in, in the order of the files, and only the runs of linked records are remembered.
// It trusts nothing in the lines. Whoever can write the file can also write a whole new chain: what shows that
// is a head (number and hash) that was noted elsewhere.

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
  type LinkedRecord,
  type Place,
} from './chain-breaks.js';

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
/** Records before the end of a run that are remembered, to tell what was appended to it by others. */
const TAIL_RECORDS = 8;
const MAX_NOTES = 10_000;
const UNFINISHED = 'an incomplete record, which nobody got an answer on; the chain goes on';

export class ChainVerifier {
  readonly #knownHead: ChainHead | undefined;
  readonly #segments: ChainSegment[] = [];
  readonly #unreadable: ChainFinding[] = [];
  readonly #notes: ChainNote[] = [];
  #headFinding: ChainFinding | undefined;
  #headIsSeen = false;
  readonly #files: string[] = [];
  #file = '';
  #line = 0;
  #records = 0;
  #unreadableBefore = 0;
  /** What a file ends with, and is no whole line: no break where the chain goes on without it. */
  #openEnd: ChainFinding | undefined;
  #place: Place = { file: '', line: 0 };
  #overflow: Place | undefined;

  /** @param knownHead a record that must be among them, as it was noted earlier. */
  constructor(knownHead?: ChainHead) {
    this.#knownHead = knownHead;
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
      this.#compareWithKnownHead(record, line);
      this.#link(record, hashOfLine(line));
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
    const all = [...this.#unreadable, ...findings, ...this.#findingsOfKnownHead(head)];
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

  #parse(line: Uint8Array, isComplete: boolean): AuditRecord | undefined {
    try {
      const record = parseRecord(line);
      if (isComplete) {
        return record;
      }
      this.#keepOpenEnd(`record ${record.seq} has no end of line`);
    } catch (error) {
      if (isComplete) {
        this.#tellUnreadable({ kind: 'not-a-record', ...this.#place, message: messageOf(error) });
      } else {
        this.#keepOpenEnd('the last line is incomplete');
      }
    }
    return undefined;
  }

  #keepOpenEnd(message: string): void {
    this.#tellOpenEnd();
    this.#openEnd = { kind: 'truncated', ...this.#place, message };
  }

  #tellOpenEnd(): void {
    const finding = this.#openEnd;
    this.#openEnd = undefined;
    if (finding !== undefined) {
      this.#tellUnreadable(finding);
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

  /** What a killed signer leaves when its file is moved before the next start, which would have cut it off. */
  #noteOpenEnd(): void {
    if (this.#openEnd !== undefined) {
      const { file, line } = this.#openEnd;
      this.#openEnd = undefined;
      this.#note({ file, line, message: UNFINISHED });
    }
  }

  #note(note: ChainNote): void {
    if (this.#notes.length < MAX_NOTES) {
      this.#notes.push(note);
    }
  }

  #link(record: AuditRecord, hash: string): void {
    const linked: LinkedRecord = { ...this.#place, seq: record.seq, prev: record.prev, hash };
    const open = this.#segments.at(-1);
    const follows =
      open !== undefined && record.seq === open.last.seq + 1 && record.prev === open.last.hash;
    if (follows && this.#unreadableBefore === 0) {
      this.#noteOpenEnd();
    } else {
      this.#tellOpenEnd();
    }
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
    }
  }

  #compareWithKnownHead(record: AuditRecord, line: Uint8Array): void {
    const known = this.#knownHead;
    if (known?.seq !== record.seq) {
      return;
    }
    if (hashOfLine(line) === known.hash) {
      this.#headIsSeen = true;
    } else {
      const message = `record ${known.seq} is not the one that is known`;
      this.#headFinding ??= { kind: 'edited', ...this.#place, message };
    }
  }

  #findingsOfKnownHead(head: ChainHead | undefined): readonly ChainFinding[] {
    const known = this.#knownHead;
    if (known === undefined || this.#headIsSeen) {
      return [];
    }
    if (this.#headFinding !== undefined) {
      return [this.#headFinding];
    }
    const end = head === undefined ? 'there is no record' : `the chain ends at record ${head.seq}`;
    const message = `${end}, and record ${known.seq}, which is known, is not there`;
    return [{ kind: 'truncated', ...this.#place, message }];
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
