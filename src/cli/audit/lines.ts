// Formats records of the audit log as lines for people, for `clavigerd audit show`. Pure. Records
// hold text that clients sent, so everything is escaped; nothing is cut off.

import type { AuditRecord } from '../../audit/audit-record.js';
import { printable } from '../../lib/printable.js';
import { formatRow } from '../../lib/table.js';

/** More than a record can hold. */
const MAX_FIELD_CHARACTERS = 1024 * 1024;
/**
 * Widths that fit most records. A longer field shifts the rest of its line: records are streamed.
 */
const WIDTHS: readonly number[] = [24, 12, 16, 28, 12];
const HEAD = ['TIME (UTC)', 'CLIENT', 'OPERATION', 'NAMES', 'VERDICT', 'WAIT + KEY'];

/** `2026-11-22T01:33:39.123Z  web/3  new-order  dns:www.example.org  signed  0.12 + 34.50 ms` */
export function formatRecordLine(record: AuditRecord): string {
  return record.event === 'decision' ? formatDecision(record) : formatEvent(record);
}

/** The line above the columns of `formatRecordLine`. */
export function formatHeadLine(): string {
  return formatRow(HEAD, WIDTHS);
}

function formatDecision(record: AuditRecord): string {
  const cells = [
    record.time,
    clientOf(record),
    shown(record.operation),
    shown(joinNames(record)),
    shown(joinVerdict(record)),
    latencyOf(record),
  ];
  const line = formatRow(cells, WIDTHS);
  const why = [decisiveOf(record), record.reason, spanOf(record)].filter(
    (part) => part !== undefined,
  );
  return why.length === 0 ? line : `${line}  (${why.map(shown).join(': ')})`;
}

function joinNames({ identifiers = [], 'name-count': nameCount }: AuditRecord): string {
  const more = (nameCount ?? 0) - identifiers.length;
  return [...identifiers, ...(more > 0 ? [`...${more} more`] : [])].join(',');
}

function joinVerdict({ verdict, count = 1 }: AuditRecord): string | undefined {
  return count > 1 ? `${verdict ?? ''} x${count}` : verdict;
}

/** The period of joined refusals, whose record was written after it. */
function spanOf(record: AuditRecord): string | undefined {
  const { 'first-time': first, 'last-time': last } = record;
  return first === undefined || last === undefined ? undefined : `${first} to ${last}`;
}

/** The rule that refused a request; the code where a request was allowed but not signed. */
function decisiveOf({ verdict, rule, code }: AuditRecord): string | undefined {
  switch (verdict) {
    case 'signed':
      return undefined;
    case 'denied':
    case 'rate-limited':
      return rule;
    default:
      return code;
  }
}

function formatEvent({ time, event, reason }: AuditRecord): string {
  const words = reason === undefined ? [event] : [event, shown(reason)];
  return formatRow([time, `-- ${words.join(': ')}`], WIDTHS);
}

/** `web/3`. The daemon repeats the listener in `connection` where there are several listeners. */
function clientOf({ listener, connection }: AuditRecord): string {
  const number = connection?.split('/').at(-1);
  return shown([listener, number].filter((part) => part !== undefined).join('/'));
}

function latencyOf(record: AuditRecord): string {
  const { 'queue-ms': queued, 'token-ms': token } = record;
  const parts = [queued, token].filter((ms) => ms !== undefined).map((ms) => ms.toFixed(2));
  return parts.length === 0 ? '' : `${parts.join(' + ')} ms`;
}

function shown(text: string | undefined): string {
  return printable(text ?? '', MAX_FIELD_CHARACTERS) || '-';
}
