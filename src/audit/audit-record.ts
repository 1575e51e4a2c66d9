// A record of the audit log: one line of JSON, which holds the hash of the line before. Pure. A
// record has exactly one spelling: printable ASCII, members in one order, no blanks. What was
// written or changed by other hands is seldom one, and printing a line does nothing to a terminal.

import { hash } from 'node:crypto';
import * as v from 'valibot';
import { formatAsciiJson } from '../lib/json/ascii-json.js';
import { AppError } from '../lib/errors.js';
import { parseStrictJsonWithDecimals } from '../lib/json/strict-json.js';

/**
 * More than the escaped names of any request can take (32 KiB of base64url, six characters a byte).
 */
export const MAX_RECORD_BYTES = 256 * 1024;

/** `prev` of the first record of all. */
export const NO_HASH = '0'.repeat(64);

export const AUDIT_EVENTS = ['decision', 'start', 'stop', 'gap'] as const;
export type AuditEvent = (typeof AUDIT_EVENTS)[number];

export const AUDIT_VERDICTS = [
  'signed',
  'denied',
  'rate-limited',
  'malformed',
  'failed',
  'cancelled',
] as const;
export type AuditVerdict = (typeof AUDIT_VERDICTS)[number];

/**
 * Parts of a request that a refusal may have been made without: the policy's own words for them.
 */
const UNREAD_PARTS = ['payload', 'names', 'csr', 'certificate'] as const;

/** What is known of an event; the log adds number, time and hash. Times are milliseconds. */
export interface AuditEntry {
  readonly event: AuditEvent;
  readonly verdict?: AuditVerdict | undefined;
  readonly account?: string | undefined;
  readonly listener?: string | undefined;
  readonly connection?: string | undefined;
  readonly policy?: string | undefined;
  readonly operation?: string | undefined;
  readonly url?: string | undefined;
  /** `dns:www.example.org`, `ip:192.0.2.1` */
  readonly identifiers?: readonly string[] | undefined;
  /**
   * Of joined refusals: how many different names they were for; `identifiers` has the first of
   * them.
   */
  readonly 'name-count'?: number | undefined;
  /** SHA-256 of the CSR's public key, lower-case hex. */
  readonly 'csr-key'?: string | undefined;
  /** What nobody looked at in a request that was refused for something cheaper to judge. */
  readonly unread?: (typeof UNREAD_PARTS)[number] | undefined;
  readonly rule?: string | undefined;
  readonly code?: string | undefined;
  readonly reason?: string | undefined;
  /** How many refusals of one kind this record tells of; absent for one. */
  readonly count?: number | undefined;
  /** When the first of them was, and the last; as `time`. */
  readonly 'first-time'?: string | undefined;
  readonly 'last-time'?: string | undefined;
  readonly 'queue-ms'?: number | undefined;
  readonly 'token-ms'?: number | undefined;
  /** Of a gap: how many bytes of an incomplete record it tells of. */
  readonly bytes?: number | undefined;
  /** Of the signing input, or of the bytes of an incomplete record; lower-case hex. */
  readonly sha256?: string | undefined;
  /**
   * Of joined refusals: SHA-256 over the SHA-256 (32 bytes each) of their signing inputs, in order;
   * lower-case hex.
   */
  readonly 'inputs-sha256'?: string | undefined;
}

export interface AuditRecord extends AuditEntry {
  /** From 1, without a gap. */
  readonly seq: number;
  /** Of the first record of a file: that nothing was before it there. */
  readonly begins?: 'file' | undefined;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  /** SHA-256 of the line before, without its newline, lower-case hex. */
  readonly prev: string;
}

/** Where a chain is: the number and the hash of its last record. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** The members of a record in their order. */
export const RECORD_MEMBERS = [
  'seq',
  'time',
  'event',
  'verdict',
  'account',
  'listener',
  'connection',
  'policy',
  'operation',
  'url',
  'identifiers',
  'name-count',
  'csr-key',
  'unread',
  'rule',
  'code',
  'reason',
  'count',
  'first-time',
  'last-time',
  'queue-ms',
  'token-ms',
  'bytes',
  'sha256',
  'inputs-sha256',
  'begins',
  'prev',
] as const satisfies readonly (keyof AuditRecord)[];

/** Three decades: with two decimals the 15 digits that the strict reader of JSON takes. */
const MAX_DURATION_MS = 1e12;

const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const text = v.exactOptional(v.string());
const duration = v.exactOptional(v.pipe(v.number(), v.minValue(0), v.maxValue(MAX_DURATION_MS)));
const count = v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(1)));
const time = v.pipe(v.string(), v.check(isTime));

const recordSchema = v.strictObject({
  seq: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  time,
  event: v.picklist(AUDIT_EVENTS),
  verdict: v.exactOptional(v.picklist(AUDIT_VERDICTS)),
  account: text,
  listener: text,
  connection: text,
  policy: text,
  operation: text,
  url: text,
  identifiers: v.exactOptional(v.array(v.string())),
  'name-count': count,
  'csr-key': v.exactOptional(sha256Hex),
  unread: v.exactOptional(v.picklist(UNREAD_PARTS)),
  rule: text,
  code: text,
  reason: text,
  count,
  'first-time': v.exactOptional(time),
  'last-time': v.exactOptional(time),
  'queue-ms': duration,
  'token-ms': duration,
  bytes: count,
  sha256: v.exactOptional(sha256Hex),
  'inputs-sha256': v.exactOptional(sha256Hex),
  begins: v.exactOptional(v.literal('file')),
  prev: sha256Hex,
});

/**
 * The line of a record, without a newline: printable ASCII.
 * @throws AppError AUDIT_RECORD when it would have more than MAX_RECORD_BYTES.
 */
export function formatRecord(record: AuditRecord): string {
  let line = '{';
  for (const name of RECORD_MEMBERS) {
    const value = record[name];
    if (value !== undefined) {
      line += `${line === '{' ? '' : ','}"${name}":${formatValue(name, value)}`;
    }
  }
  line += '}';
  if (line.length > MAX_RECORD_BYTES) {
    throw invalid(`${line.length} bytes, more than ${MAX_RECORD_BYTES}`);
  }
  return line;
}

/**
 * Parses a line, without its newline.
 * @throws AppError AUDIT_RECORD for whatever `formatRecord` would have written otherwise.
 */
export function parseRecord(line: Uint8Array): AuditRecord {
  if (line.length > MAX_RECORD_BYTES) {
    throw invalid(`more than ${MAX_RECORD_BYTES} bytes`);
  }
  const spelling = Buffer.from(line.buffer, line.byteOffset, line.length).toString('latin1');
  if (!/^[ -~]*$/.test(spelling)) {
    throw invalid('not printable ASCII');
  }
  const parsed = v.safeParse(recordSchema, parseJson(line));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw invalid(`${v.getDotPath(issue) ?? 'object'} is not as it should be`);
  }
  if (formatRecord(parsed.output) !== spelling) {
    throw invalid('spelt in another way than the signer does');
  }
  return parsed.output;
}

/** SHA-256 of a line without its newline, in lower-case hex: `prev` of the next. */
export function hashOfLine(line: string | Uint8Array): string {
  return hash('sha256', line, 'hex');
}

function formatValue(
  name: (typeof RECORD_MEMBERS)[number],
  value: string | number | readonly string[],
): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      return name.endsWith('-ms') ? formatDuration(value) : String(value);
    default:
      return `[${value.map(quote).join(',')}]`;
  }
}

/** Printable ASCII without quotation mark and backslash, as nearly every text is. */
const PLAIN_TEXT = /^[ !#-[\]-~]*$/;

function quote(value: string): string {
  return PLAIN_TEXT.test(value) ? `"${value}"` : formatAsciiJson(value);
}

function formatDuration(ms: number): string {
  return (ms >= 0 ? Math.min(ms, MAX_DURATION_MS) : 0).toFixed(2);
}

function parseJson(line: Uint8Array): unknown {
  try {
    return parseStrictJsonWithDecimals(line);
  } catch {
    throw invalid('not JSON');
  }
}

function isTime(value: string): boolean {
  const ms = Date.parse(value);
  return Number.isFinite(ms) && new Date(ms).toISOString() === value;
}

function invalid(problem: string): AppError {
  return new AppError('AUDIT_RECORD', `audit record: ${problem}`);
}
