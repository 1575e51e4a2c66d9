// A record of the audit log as one line of JSON. Pure; clavigerd and `clavigerd audit`. A record
// has exactly one spelling (printable ASCII, members in one order, no white space), and a line in
// any other spelling is refused. So most lines that something else wrote or changed are recognized,
// and no line can control a terminal it is printed on.

import { hash } from 'node:crypto';
import * as v from 'valibot';
import { formatAsciiJson } from '../lib/json/ascii-json.js';
import { AppError } from '../lib/errors.js';
import { parseStrictJsonWithDecimals } from '../lib/json/strict-json.js';
import {
  AUDIT_EVENTS,
  AUDIT_VERDICTS,
  RECORD_MEMBERS,
  UNREAD_PARTS,
  type AuditRecord,
} from './audit-record.js';

/** More than the escaped names of any request need (32 KiB of base64url, six characters a byte). */
export const MAX_RECORD_BYTES = 256 * 1024;

/** 31 years; with two decimals these are the 15 digits that the strict JSON reader accepts. */
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
 * @throws AppError AUDIT_RECORD for any line but those that `formatRecord` writes.
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

/** SHA-256 of a line without its newline, in lower-case hex: `prev` of the next record. */
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

/** Printable ASCII without quotation mark and backslash, which needs no escape. */
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
