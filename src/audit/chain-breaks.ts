// What happened to a chain of audit records, told from its unbroken runs: which were removed,
// inserted, moved or edited. Pure. Looks at all runs together, for a record out of place is known
// by those it left behind.

import { NO_HASH, type ChainHead } from './audit-record.js';

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export type BreakKind =
  'removed' | 'inserted' | 'reordered' | 'edited' | 'truncated' | 'not-a-record';

export interface ChainFinding extends Place {
  readonly kind: BreakKind;
  readonly message: string;
}

export interface LinkedRecord extends Place {
  /** Its place among all records read, from 1. */
  readonly at: number;
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
  /** It says that it is the first of its file. */
  readonly beginsFile: boolean;
}

/** Records by their place among all that were read, both ends included. */
export interface RecordRange {
  readonly from: number;
  readonly to: number;
}

/** Records in a row, each linked to the one before by number and hash. */
export interface ChainSegment {
  readonly first: LinkedRecord;
  last: LinkedRecord;
  /** Some records before `last`, the nearest last. */
  readonly tail: LinkedRecord[];
  /** Lines right before it that are no records. */
  readonly unreadableBefore: number;
}

export interface ChainExplanation {
  readonly findings: readonly ChainFinding[];
  /** Records that are none of the chain's, or not as they were. */
  readonly unchained: readonly RecordRange[];
  readonly first: LinkedRecord | undefined;
  readonly head: ChainHead | undefined;
}

/** A segment with its place in the chain, which is not what an edited number says. */
interface Run {
  readonly segment: ChainSegment;
  /** Among the segments as they were read. */
  readonly position: number;
  readonly from: number;
  readonly to: number;
}

/** What is said of the runs, gathered. */
interface Account {
  readonly findings: ChainFinding[];
  readonly unchained: RecordRange[];
}

/**
 * Tells what must have happened that the segments, in the order they were read, are as they are.
 */
export function explainBreaks(segments: readonly ChainSegment[]): ChainExplanation {
  const account: Account = { findings: [], unchained: [] };
  const runs = linkRuns(segments, account);
  const kept = takeOutStrangers(runs, account);
  const trunk = followNumbers(kept, account);
  tellReordered(trunk, account);
  const [start] = trunk;
  const first = start?.segment.first;
  const last = trunk.at(-1);
  if (start !== undefined) {
    tellBeginning(start.segment, account);
  }
  const head = last && { seq: last.to, hash: last.segment.last.hash };
  return { ...account, first, head };
}

/** A file may be the first that is left; a record that does not begin its file is not. */
function tellBeginning(
  { first, unreadableBefore }: ChainSegment,
  { findings, unchained }: Account,
): void {
  if (first.seq > unreadableBefore + 1 && !first.beginsFile) {
    const message = `what was in the file before record ${first.seq} is missing`;
    findings.push(finding('removed', first, message));
  } else if (first.seq === 1 && first.prev !== NO_HASH) {
    findings.push(finding('edited', first, 'record 1 does not begin the chain'));
    unchained.push({ from: first.at, to: first.at });
  }
}

/**
 * Finds for each segment the one it continues, by hash alone; a number that does not fit was
 * edited.
 */
function linkRuns(segments: readonly ChainSegment[], { findings, unchained }: Account): Run[] {
  const endings = new Map<string, number>();
  segments.forEach(({ last }, position) => {
    if (!endings.has(last.hash)) {
      endings.set(last.hash, position);
    }
  });
  const runs: Run[] = [];
  for (const [position, segment] of segments.entries()) {
    const { first, last } = segment;
    const before = endings.get(first.prev);
    const expected = before === undefined ? first.seq : (segments[before]?.last.seq ?? 0) + 1;
    // Only next to each other: elsewhere the number of the one before may be the edited one.
    const isRenumbered = before === position - 1 && expected !== first.seq;
    if (isRenumbered) {
      const message = `record ${first.seq} follows record ${expected - 1}: its number was edited`;
      findings.push(finding('edited', first, message));
      unchained.push({ from: first.at, to: first.at });
    }
    const from = isRenumbered ? expected : first.seq;
    const to = from + last.seq - first.seq;
    runs.push({ segment, position, from, to });
  }
  return runs;
}

/** What stands between two runs that belong together, and belongs to none, was put there. */
function takeOutStrangers(runs: readonly Run[], { findings, unchained }: Account): Run[] {
  const endings = new Set(runs.map(({ segment }) => segment.last.hash));
  const continuations = new Map<string, number>();
  for (const { segment, position } of [...runs].reverse()) {
    continuations.set(segment.first.prev, position);
  }
  const strangers = new Set<Run>();
  for (const run of runs) {
    const joined = run.segment.last.hash;
    const next = strangers.has(run) ? undefined : continuations.get(joined);
    for (const between of runs.slice(run.position + 1, next ?? 0)) {
      const { first, last } = between.segment;
      const isContinued = last.hash !== joined && continuations.has(last.hash);
      if (!endings.has(first.prev) && !isContinued && !strangers.has(between)) {
        strangers.add(between);
        const message = `${rangeOf(first.seq, last.seq)} of another place or chain`;
        findings.push(finding('inserted', first, message));
        unchained.push({ from: first.at, to: last.at });
      }
    }
  }
  return runs.filter((run) => !strangers.has(run));
}

/**
 * Goes through the runs by their numbers, and tells what does not fit. @returns those of the chain.
 */
function followNumbers(runs: readonly Run[], account: Account): Run[] {
  const trunk: Run[] = [];
  for (const run of [...runs].sort((a, b) => a.from - b.from || a.position - b.position)) {
    const end = trunk.at(-1);
    if (end === undefined) {
      trunk.push(run);
    } else if (run.from <= end.to) {
      if (tellOverlap(end, run, account)) {
        trunk.push(run);
      }
    } else {
      tellGap(end, run, account);
      trunk.push(run);
    }
  }
  return trunk;
}

/** The same numbers twice. @returns whether `run` is of the chain. */
function tellOverlap(end: Run, run: Run, { findings, unchained }: Account): boolean {
  const { tail, last } = end.segment;
  const { first } = run.segment;
  const stranger = tail[tail.findLastIndex(({ hash }) => hash === first.prev) + 1] ?? last;
  const isFork = stranger.prev === first.prev && stranger.hash !== first.hash;
  if (isFork && run.to >= end.to) {
    const message = `record ${stranger.seq} is followed by another record ${run.from}`;
    findings.push(finding('inserted', stranger, message));
    unchained.push({ from: stranger.at, to: last.at });
    return true;
  }
  const isLonger = run.to > end.to;
  if (isLonger) {
    const from = Math.max(end.segment.first.at, last.at - (end.to - run.from));
    unchained.push({ from, to: last.at });
  } else {
    unchained.push({ from: first.at, to: run.segment.last.at });
  }
  const isReplaced = isLonger && run.from === end.from && first.hash !== end.segment.first.hash;
  const copy = isReplaced ? end.segment.first : first;
  const message = `${rangeOf(run.from, Math.min(run.to, end.to))} there twice`;
  findings.push(finding('inserted', copy, message));
  return isLonger;
}

function tellGap(end: Run, run: Run, { findings, unchained }: Account): void {
  const { first, unreadableBefore } = run.segment;
  const { last } = end.segment;
  if (first === run.segment.last && first.prev !== last.hash) {
    unchained.push({ from: first.at, to: first.at }); // linked to nothing on either side
  }
  const missing = run.from - end.to - 1;
  if (missing === 0) {
    if (first.prev !== last.hash) {
      const message = `record ${last.seq} was edited, or the hash of it in record ${first.seq}`;
      findings.push(finding('edited', last, message));
      unchained.push({ from: last.at, to: last.at });
    }
    return;
  }
  // Unreadable lines in the place of the missing ones were told of already.
  if (missing > unreadableBefore) {
    const which = rangeOf(end.to + 1, run.from - 1);
    findings.push(finding('removed', first, `${which} missing before record ${first.seq}`));
  }
}

/** Of two neighbours in the wrong order the shorter was moved. */
function tellReordered(trunk: readonly Run[], { findings }: Account): void {
  const asRead = [...trunk].sort((a, b) => a.position - b.position);
  for (const [at, run] of asRead.entries()) {
    const previous = asRead[at - 1];
    if (previous !== undefined && previous.from > run.from) {
      const isPreviousMoved = sizeOf(previous) < sizeOf(run);
      const moved = isPreviousMoved ? previous : run;
      const other = isPreviousMoved ? `before record ${run.from}` : `after record ${previous.to}`;
      const message = `${rangeOf(moved.from, moved.to)} out of place: ${other}`;
      findings.push(finding('reordered', moved.segment.first, message));
    }
  }
}

function sizeOf({ from, to }: Run): number {
  return to - from;
}

function rangeOf(from: number, to: number): string {
  return from === to ? `record ${from} is` : `records ${from} to ${to} are`;
}

function finding(kind: BreakKind, { file, line }: Place, message: string): ChainFinding {
  return { kind, file, line, message };
}
