// What verification makes of changes to an audit log, and what of it is excused: the list of all
// that it cannot find. Used by test processes only.

import { parseRecord } from '../../../src/audit/record-line.js';
import { contentsOf, judge, knownOf, type Attack, type Files } from './audit-attack.js';

/** What the chain alone cannot show. */
type Excuse =
  /** The last record was made another one. */
  | 'last'
  /** Records are missing at the end. */
  | 'shortened'
  /** Others follow the last: the daemon may be ahead of what is known. */
  | 'longer'
  /** Whole files are missing at the beginning: so does a rotation that keeps a number of files. */
  | 'retired';

function excuseOf(files: Files, shown: readonly string[]): Excuse | undefined {
  const original = files.flat();
  const starts = files.map((_, at) => original.length - files.slice(at).flat().length);
  for (const start of starts) {
    const rest = original.slice(start);
    const common = rest.findIndex((line, at) => line !== shown[at]);
    if (common === -1) {
      return shown.length > rest.length ? 'longer' : start > 0 ? 'retired' : undefined;
    }
    if (common === shown.length && common > 0) {
      return 'shortened';
    }
    if (common === rest.length - 1 && shown.length >= rest.length) {
      return 'last';
    }
  }
  return undefined;
}

function seqOf(line: string): number {
  return line === '' ? 0 : parseRecord(Buffer.from(line, 'latin1')).seq;
}

interface Passed {
  readonly tried: number;
  /** By what nothing was found. */
  readonly unexcused: readonly string[];
  /**
   * The same where the head is known, and the first record of the last file: they do not show what
   * was retired or follows.
   */
  readonly unexcusedWithHead: readonly string[];
  /**
   * By what `show` and `summary` tell of records up to the last that were not written, or of one
   * twice.
   */
  readonly untrue: readonly string[];
}

/** Tries them all. */
export function attackFiles(files: Files, attacks: Iterable<Attack>): Passed {
  const known = knownOf(files);
  const original = contentsOf(files);
  const written = new Set(files.flat());
  const end = files.flat().length;
  const isForged = (line: string): boolean => !written.has(line);
  const unexcused: string[] = [];
  const unexcusedWithHead: string[] = [];
  const untrue: string[] = [];
  let tried = 0;
  for (const { name, contents } of attacks) {
    tried += 1;
    const { report, shown } = judge(contents, []);
    const isFound = report.findings.length > 0 || report.records === 0;
    const excuse = isFound ? undefined : excuseOf(files, shown);
    const isSame = contents.every((bytes, at) => bytes.equals(original[at] ?? Buffer.alloc(0)));
    if (!isFound && !isSame) {
      if (excuse === undefined) {
        unexcused.push(name);
      }
      const isOther = excuse !== 'retired' && excuse !== 'longer';
      if (isOther && judge(contents, known).report.findings.length === 0) {
        unexcusedWithHead.push(name);
      }
    }
    // A forged end that is as long as the written one is as good; that there are two is told.
    const inOrder = shown.toSorted((one, other) => seqOf(one) - seqOf(other));
    const forgedFrom = inOrder.findIndex(isForged);
    const isEndForged = seqOf(inOrder.at(-1) ?? '') >= end && (isFound || excuse !== undefined);
    const isTrue = forgedFrom === -1 || (isEndForged && inOrder.slice(forgedFrom).every(isForged));
    if (!isTrue || new Set(shown).size < shown.length) {
      untrue.push(name);
    }
  }
  return { tried, unexcused, unexcusedWithHead, untrue };
}
