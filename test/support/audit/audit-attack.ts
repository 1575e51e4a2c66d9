// Changes to the files of an audit log, one at a time: of every byte, every record, every file. And
// what the commands would make of the changed files. Used by test processes only.

import { ChainVerifier, inChainOrder, type ChainReport } from '../../../src/audit/audit-chain.js';
import { MAX_RECORD_BYTES, parseRecord } from '../../../src/audit/record-line.js';
import type { AuditEntry, AuditRecord } from '../../../src/audit/audit-record.js';
import { EMPTY_CHAIN, type ChainHead } from '../../../src/audit/chain-head.js';
import { ChainSieve } from '../../../src/cli/audit/chain-sieve.js';
import { LineCutter, type CutLine } from '../../../src/cli/terminal/line-cutter.js';
import { headOf, lineAfter } from './audit-chain.js';

/** Lines of the chain, file by file. */
export type Files = readonly (readonly string[])[];

/** What is in the files. */
type Contents = readonly Buffer[];

export interface Attack {
  readonly name: string;
  readonly contents: Contents;
}

const HASH = 'ab'.repeat(32);

/** One record of each kind. */
const KINDS: readonly AuditEntry[] = [
  { event: 'start', reason: 'clavigerd 0.1.0' },
  {
    ...{ event: 'decision', verdict: 'signed', account: 'default', listener: 'web' },
    ...{ connection: 'web/1', policy: 'web', operation: 'finalize', url: 'https://ca.example/f/1' },
    ...{ identifiers: ['dns:www.example.org', 'ip:192.0.2.1'], 'csr-key': HASH, rule: 'web' },
    ...{ 'queue-ms': 0.5, 'token-ms': 40, sha256: HASH },
  },
  {
    ...{ event: 'decision', verdict: 'denied', account: 'default', listener: 'web' },
    ...{ connection: 'web/2', operation: 'new-order', identifiers: ['dns:b\u00fc"\\'] },
    ...{ rule: 'web.identifiers', code: 'denied', reason: 'not allowed', sha256: HASH },
  },
  {
    ...{ event: 'decision', verdict: 'denied', account: 'default', listener: 'web' },
    ...{ operation: 'new-order', identifiers: ['dns:a', 'dns:b'], 'name-count': 2 },
    ...{ rule: 'web.identifiers', code: 'denied', count: 11, 'inputs-sha256': HASH },
    ...{ 'first-time': '2026-11-22T01:01:53.004Z', 'last-time': '2026-11-22T01:02:03.000Z' },
  },
  { event: 'gap', reason: 'incomplete record of 9 bytes removed', bytes: 9, sha256: HASH },
  { event: 'stop' },
];

/** A chain of `sizes.length` files with so many records each, of all kinds in turn. */
export function makeFiles(sizes: readonly number[]): Files {
  let head = EMPTY_CHAIN;
  return sizes.map((size) =>
    Array.from({ length: size }, (_, at) => {
      const entry = KINDS[head.seq % KINDS.length] ?? { event: 'stop' };
      const line = lineAfter(head, entry, at === 0 ? 'file' : undefined);
      head = headOf(line);
      return line;
    }),
  );
}

/** Its head, and the first record of the last file: what the daemon notes. */
export function knownOf(files: Files): readonly ChainHead[] {
  const last = files.at(-1) ?? [];
  return [headOf(last.at(-1)), headOf(last[0])];
}

export function contentsOf(files: Files): Contents {
  return files.map((lines) => Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1'));
}

/** Inserted before each byte, beside a copy of it. */
const INSERTED = ['\0', '\n', ' ', '"', '0', '\u00ff'];

/**
 * Bits of each byte flipped, each byte dropped, doubled, and with others before it; and at the end
 * of each file.
 * @param flips of each byte: fewer than eight are other bits from byte to byte.
 */
export function* byteAttacks(contents: Contents, flips = 8): Generator<Attack> {
  for (const [file, bytes] of contents.entries()) {
    const attack = (name: string, at: number, count: number, by: Buffer): Attack => ({
      name: `${name} byte ${at} of file ${file}`,
      contents: contents.with(
        file,
        Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + count)]),
      ),
    });
    for (const [at, byte] of bytes.entries()) {
      for (let flip = 0; flip < flips; flip += 1) {
        const bit = (5 * at + 3 * flip) % 8;
        yield attack(`flip bit ${bit} of`, at, 1, Buffer.from([byte ^ (1 << bit)]));
      }
      yield attack('drop', at, 1, Buffer.alloc(0));
      yield attack('double', at, 0, Buffer.from([byte]));
    }
    for (let at = 0; at <= bytes.length; at += 1) {
      for (const text of INSERTED) {
        yield attack(`insert ${JSON.stringify(text)} before`, at, 0, Buffer.from(text, 'latin1'));
      }
    }
  }
}

/** Each file cut before and after each byte. */
export function* cutAttacks(contents: Contents): Generator<Attack> {
  for (const [file, bytes] of contents.entries()) {
    for (let at = 1; at <= bytes.length; at += 1) {
      const name = `byte ${at} of file ${file}`;
      yield { name: `cut before ${name}`, contents: contents.with(file, bytes.subarray(at)) };
      const rest = bytes.subarray(0, bytes.length - at);
      yield { name: `cut after ${name} from its end`, contents: contents.with(file, rest) };
    }
  }
}

/** Records dropped, doubled, moved, and forged ones inserted, with their line feed and without. */
export function* recordAttacks(files: Files): Generator<Attack> {
  const all = files.flat();
  for (const [file, lines] of files.entries()) {
    const attack = (name: string, changed: readonly string[]): Attack => ({
      name: `${name} of file ${file}`,
      contents: contentsOf(files.with(file, changed)),
    });
    for (let at = 0; at <= lines.length; at += 1) {
      for (const [other, copy] of all.entries()) {
        yield attack(`insert record ${other + 1} before ${at}`, lines.toSpliced(at, 0, copy));
      }
      for (const ahead of all) {
        const forged = lineAfter(headOf(ahead), { event: 'decision', verdict: 'signed' });
        yield attack(`insert a forged record before ${at}`, lines.toSpliced(at, 0, forged));
        const next = lineAfter(headOf(forged), { event: 'stop' });
        yield attack(`insert two forged ones before ${at}`, lines.toSpliced(at, 0, forged, next));
      }
      if (at < lines.length) {
        yield attack(`drop record ${at}`, lines.toSpliced(at, 1));
        const rest = lines.toSpliced(at, 1);
        for (let to = 0; to <= rest.length; to += 1) {
          if (to !== at) {
            yield attack(`move record ${at} to ${to}`, rest.toSpliced(to, 0, lines[at] ?? ''));
          }
        }
      }
    }
  }
}

/**
 * At the end of each file a forged record that continues the chain, or half of it, without a line
 * feed.
 */
export function* openEndAttacks(files: Files): Generator<Attack> {
  const contents = contentsOf(files);
  for (const [file, lines] of files.entries()) {
    const forged = lineAfter(headOf(lines.at(-1)), { event: 'decision', verdict: 'signed' });
    for (let length = 1; length <= forged.length; length += 1) {
      const bytes = Buffer.concat([
        contents[file] ?? Buffer.alloc(0),
        Buffer.from(forged).subarray(0, length),
      ]);
      yield {
        name: `${length} bytes at the end of file ${file}`,
        contents: contents.with(file, bytes),
      };
    }
  }
}

interface Outcome {
  readonly report: ChainReport;
  /** What `show` and `summary` would take. */
  readonly shown: readonly string[];
}

/** As the commands do: files in the order of their first records, cut into lines. */
export function judge(contents: Contents, known: readonly ChainHead[]): Outcome {
  const files = inChainOrder(contents.map(cutLines), (lines) => firstRecord(lines));
  const verifier = new ChainVerifier(...known);
  for (const [at, lines] of files.entries()) {
    verifier.beginFile(String(at));
    lines.forEach(({ bytes, isEnded }) => verifier.push(bytes, isEnded));
  }
  const report = verifier.finish();
  const sieve = new ChainSieve(verifier.unchained(), report.records);
  const shown = files.flat().flatMap((line) => sieve.take(line).map(({ line: text }) => text));
  return { report, shown };
}

function cutLines(bytes: Buffer): readonly CutLine[] {
  const cutter = new LineCutter(MAX_RECORD_BYTES);
  return [...cutter.push(bytes), ...cutter.end()];
}

function firstRecord(lines: readonly CutLine[]): AuditRecord | undefined {
  for (const { bytes, isEnded } of lines) {
    try {
      if (isEnded) {
        return parseRecord(bytes);
      }
    } catch {
      // The next one, as the commands do.
    }
  }
  return undefined;
}
