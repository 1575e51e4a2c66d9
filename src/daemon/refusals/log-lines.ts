// How the record of a refusal looks as a line of the log. Pure; runs in clavigerd.

import type { AuditEntry } from '../../audit/audit-record.js';
import type { LogFields, LogLevel } from '../../sys/log.js';

/** What number, time and hash add to an entry. */
const FRAME_BYTES = 160;

/** Bytes of a record in the audit log, about. */
export function sizeOf(entry: AuditEntry): number {
  return JSON.stringify(entry).length + FRAME_BYTES;
}

export function eventOf({ verdict }: AuditEntry): string {
  return verdict === 'failed' || verdict === 'cancelled' ? verdict : 'refused';
}

export function levelOf({ verdict }: AuditEntry): LogLevel {
  if (verdict === 'failed') {
    return 'error';
  }
  return verdict === 'cancelled' ? 'info' : 'warning';
}

export function fieldsOf(entry: AuditEntry): LogFields {
  const { verdict, connection, operation, url, identifiers, unread, rule, code, reason } = entry;
  const hasRule = verdict === 'denied' || verdict === 'rate-limited';
  return {
    conn: connection,
    listener: connection === undefined ? entry.listener : undefined,
    op: verdict === 'malformed' ? undefined : (operation ?? 'unknown'),
    url,
    names: identifiers?.join(','),
    'name-count': entry['name-count'],
    unread,
    code,
    rule: hasRule ? rule : undefined,
    reason,
    count: entry.count,
    'first-time': entry['first-time'],
    'last-time': entry['last-time'],
  };
}
