// The lines of the budget journal: JSON objects, each with a checksum over itself and all lines
// before it. Pure; runs in clavigerd. The first line holds the time when the file was written, each
// other line the times when a key was counted. A crash may leave an incomplete last line; any other
// damage is an error, since a lost line would refill a budget.

import { createHash } from 'node:crypto';
import { AppError } from '../lib/errors.js';
import { isJsonObject, type JsonObject } from '../lib/json/json-value.js';
import { parseStrictJson } from '../lib/json/strict-json.js';
import type { CountLog } from './counts.js';

const FORMAT = 1;
/**
 * In hex digits. It detects accidents: whoever can write the file can compute checksums as well.
 */
const SUM_LENGTH = 16;
const SUM_MEMBER = ',"sum":"';
const NEWLINE = 0x0a;

/** A text of whole lines, and the checksum that the next line continues from. */
interface Lines {
  readonly text: string;
  readonly sum: string;
}

export interface Journal {
  /** The latest time that the journal knows of, ms. */
  readonly time: number;
  readonly logs: readonly CountLog[];
  /** What the next line's checksum continues from. */
  readonly sum: string;
  /** True: the last line is incomplete, and nothing may be appended to the file. */
  readonly isTorn: boolean;
}

/** The lines of a new journal. */
export function formatJournal(time: number, logs: readonly CountLog[]): Lines {
  const first = sealed(`{"format":${FORMAT},"time":${time}`, '');
  const rest = formatCounts(logs, first.sum);
  return { text: first.text + rest.text, sum: rest.sum };
}

/** Lines to append to a journal that ends with the checksum `sum`. */
export function formatCounts(logs: readonly CountLog[], sum: string): Lines {
  let text = '';
  let last = sum;
  for (const { key, windowMs, times } of logs) {
    const body = JSON.stringify({ key, window: windowMs, times }).slice(0, -1);
    const line = sealed(body, last);
    text += line.text;
    last = line.sum;
  }
  return { text, sum: last };
}

function sealed(body: string, previous: string): Lines {
  const sum = sumOf(body, previous);
  return { text: `${body}${SUM_MEMBER}${sum}"}\n`, sum };
}

function sumOf(body: string, previous: string): string {
  return createHash('sha256').update(previous).update(body).digest('hex').slice(0, SUM_LENGTH);
}

/**
 * Reads a journal. The count of an incomplete last line is taken when the count itself is complete:
 * it was not acknowledged, and counting it cannot allow more than the budget.
 * @throws AppError SYS_FILE naming the first line that is not as it was written.
 */
export function parseJournal(bytes: Buffer): Journal {
  // The first line comes with the rename of a complete file, so that it is never incomplete.
  const end = bytes.indexOf(NEWLINE);
  const first = end < 0 ? undefined : unsealed(bytes.toString('utf8', 0, end), '');
  const time = first === undefined ? undefined : timeOf(first.body);
  if (first === undefined || time === undefined) {
    throw damaged(1);
  }
  return parseCounts(bytes.subarray(end + 1), { time, sum: first.sum });
}

function parseCounts(bytes: Buffer, head: { time: number; sum: string }): Journal {
  const logs: CountLog[] = [];
  let { sum } = head;
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    const line = unsealed(bytes.toString('utf8', start, end), sum);
    const log = line === undefined ? undefined : logOf(line.body);
    if (line === undefined || log === undefined) {
      throw damaged(logs.length + 2);
    }
    logs.push(log);
    sum = line.sum;
    start = end + 1;
  }
  const torn = bytes.toString('utf8', start);
  const log = logOf(torn.slice(0, Math.max(torn.lastIndexOf(SUM_MEMBER), 0)));
  if (log !== undefined) {
    logs.push(log);
  }
  const time = logs.reduce((latest, { times }) => Math.max(latest, times.at(-1) ?? 0), head.time);
  return { time, logs, sum, isTorn: torn !== '' };
}

/**
 * The body and the checksum of a line that is as it was written after `previous`; else undefined.
 */
function unsealed(line: string, previous: string): { body: string; sum: string } | undefined {
  const at = line.lastIndexOf(SUM_MEMBER);
  const body = line.slice(0, Math.max(at, 0));
  const { text, sum } = sealed(body, previous);
  return text === `${line}\n` ? { body, sum } : undefined;
}

function timeOf(body: string): number | undefined {
  const value = parsed(body);
  return value?.['format'] === FORMAT && isTime(value['time']) ? value['time'] : undefined;
}

function logOf(body: string): CountLog | undefined {
  const value = parsed(body);
  const [key, windowMs, times] = [value?.['key'], value?.['window'], value?.['times']];
  const isLog =
    typeof key === 'string' &&
    isTime(windowMs) &&
    Array.isArray(times) &&
    times.length > 0 &&
    times.every(isTime);
  return isLog ? { key, windowMs, times } : undefined;
}

/** The object that a body without its closing brace is, or undefined. */
function parsed(body: string): JsonObject | undefined {
  try {
    const value = parseStrictJson(Buffer.from(`${body}}`));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function damaged(lineNumber: number): AppError {
  return new AppError('SYS_FILE', `budget journal: line ${lineNumber} is damaged`);
}
