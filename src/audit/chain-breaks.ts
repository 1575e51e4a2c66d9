// Explains what happened to a broken chain of audit records: which records were removed, inserted,
// moved or edited. Pure; `clavigerd audit`. It gets the unbroken parts of the chain ("segments")
// and compares all of them, for where a record is out of place shows by the hole it left.

import { NO_HASH, type ChainHead } from './chain-head.js';
import { finding, type ChainFinding, type Place, type RecordRange } from './chain-finding.js';

export interface LinkedRecord extends Place {
  /** Its position among all records read, from 1. */
  readonly at: number;
  readonly seq: number;
  readonly prev: string;
  readonly hash: string;
  /** The record says that it is the first of its file. */
  readonly beginsFile: boolean;
}

/** Records in a row, each linked to the one before by number and hash. */
export interface ChainSegment {
  readonly first: LinkedRecord;
  last: LinkedRecord;
  /** Some records before `last`, in their order. */
  readonly tail: LinkedRecord[];
  /** How many lines directly before it are no records. */
  readonly unreadableBefore: number;
}

interface ChainExplanation {
  readonly findings: readonly ChainFinding[];
  /** Records that do not belong to the chain, or were changed. */
  readonly unchained: readonly RecordRange[];
  readonly first: LinkedRecord | undefined;
  readonly head: ChainHead | undefined;
}

/** A segment with its numbers in the chain, which an edited record does not show itself. */
interface Run {
  readonly segment: ChainSegment;
  /** Its index among the segments in the order they were read. */
  readonly position: number;
  readonly from: number;
  readonly to: number;
}

/** What has been found so far. */
interface Results {
  readonly findings: ChainFinding[];
  readonly unchained: RecordRange[];
}

/** Explains the segments of a chain. @param segments in the order they were read */
export function explainBreaks(segments: readonly ChainSegment[]): ChainExplanation {
  const results: Results = { findings: [], unchained: [] };
  const runs = linkRuns(segments, results);
  const kept = removeInserted(runs, results);
  const trunk = followNumbers(kept, results);
  findReordered(trunk, results);
  const [start] = trunk;
  const first = start?.segment.first;
  const last = trunk.at(-1);
  if (start !== undefined) {
    checkBeginning(start.segment, results);
  }
  const head = last && { seq: last.to, hash: last.segment.last.hash };
  return { ...results, first, head };
}

/**
 * Older files may be gone, so the chain may begin with any record that is the first of its file,
 * but not with one from within a file.
 */
function checkBeginning(
  { first, unreadableBefore }: ChainSegment,
  { findings, unchained }: Results,
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
 * Gives each segment its numbers in the chain. A segment that continues the one before it by its
 * hash, but has another number, begins with a record whose number was edited.
 */
function linkRuns(segments: readonly ChainSegment[], { findings, unchained }: Results): Run[] {
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
    // Only for neighbours: otherwise the number of the earlier record may be the edited one.
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

/**
 * Removes the runs that were inserted: they are between two runs that belong together, and belong
 * to neither. @returns the others
 */
function removeInserted(runs: readonly Run[], { findings, unchained }: Results): Run[] {
  const endings = new Set(runs.map(({ segment }) => segment.last.hash));
  const continuations = new Map<string, number>();
  for (const { segment, position } of [...runs].reverse()) {
    continuations.set(segment.first.prev, position);
  }
  const inserted = new Set<Run>();
  for (const run of runs) {
    const joined = run.segment.last.hash;
    const next = inserted.has(run) ? undefined : continuations.get(joined);
    for (const between of runs.slice(run.position + 1, next ?? 0)) {
      const { first, last } = between.segment;
      const isContinued = last.hash !== joined && continuations.has(last.hash);
      if (!endings.has(first.prev) && !isContinued && !inserted.has(between)) {
        inserted.add(between);
        const message = `${rangeOf(first.seq, last.seq)} of another place or chain`;
        findings.push(finding('inserted', first, message));
        unchained.push({ from: first.at, to: last.at });
      }
    }
  }
  return runs.filter((run) => !inserted.has(run));
}

/**
 * Follows the runs by their numbers and explains overlaps and holes. @returns the runs that are the
 * chain
 */
function followNumbers(runs: readonly Run[], results: Results): Run[] {
  const trunk: Run[] = [];
  for (const run of [...runs].sort((a, b) => a.from - b.from || a.position - b.position)) {
    const end = trunk.at(-1);
    if (end === undefined) {
      trunk.push(run);
    } else if (run.from <= end.to) {
      if (explainOverlap(end, run, results)) {
        trunk.push(run);
      }
    } else {
      explainHole(end, run, results);
      trunk.push(run);
    }
  }
  return trunk;
}

/** Explains runs that have the same numbers. @returns whether `run` is part of the chain */
function explainOverlap(end: Run, run: Run, { findings, unchained }: Results): boolean {
  const { tail, last } = end.segment;
  const { first } = run.segment;
  const forked = tail[tail.findLastIndex(({ hash }) => hash === first.prev) + 1] ?? last;
  const isFork = forked.prev === first.prev && forked.hash !== first.hash;
  if (isFork && run.to >= end.to) {
    const message = `record ${forked.seq} is followed by another record ${run.from}`;
    findings.push(finding('inserted', forked, message));
    unchained.push({ from: forked.at, to: last.at });
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

/** Explains missing numbers between two runs, or a hash that does not fit. */
function explainHole(end: Run, run: Run, { findings, unchained }: Results): void {
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
  } else if (missing > unreadableBefore) {
    // Fewer missing records than lines that are no records: those lines are findings already.
    const which = rangeOf(end.to + 1, run.from - 1);
    findings.push(finding('removed', first, `${which} missing before record ${first.seq}`));
  }
}

/** Of two neighbours in the wrong order, the shorter one is said to have been moved. */
function findReordered(trunk: readonly Run[], { findings }: Results): void {
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
