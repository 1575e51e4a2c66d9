// The filter of `clavigerd audit show` and `summary`: by time, name, verdict and operation. Pure.
// Other filters than those by time select decisions only, for a start or a gap has no name.

import type { AuditRecord, AuditVerdict } from '../../audit/audit-record.js';
import type { Operation } from '../../policy/operation.js';

export interface RecordFilter {
  /** From here on, ms since 1970. */
  readonly since?: number | undefined;
  /** Before this, ms since 1970. */
  readonly until?: number | undefined;
  /** With or without the type before it: `dns:www.example.org`, `www.example.org`. */
  readonly name?: string | undefined;
  readonly verdict?: AuditVerdict | undefined;
  readonly operation?: Operation | undefined;
}

export function isWanted(record: AuditRecord, filter: RecordFilter): boolean {
  const { since, until, name, verdict, operation } = filter;
  // Joined refusals are selected if any part of their period is.
  const first = Date.parse(record['first-time'] ?? record.time);
  const last = Date.parse(record['last-time'] ?? record.time);
  return (
    (since === undefined || last >= since) &&
    (until === undefined || first < until) &&
    (verdict === undefined || record.verdict === verdict) &&
    (operation === undefined || record.operation === operation) &&
    (name === undefined || hasName(record, name))
  );
}

/**
 * Compares names without regard to case and a final dot, in which a client's spelling may differ.
 */
function hasName(record: AuditRecord, name: string): boolean {
  const wanted = folded(name);
  return (record.identifiers ?? []).some((identifier) => {
    const text = folded(identifier);
    return text === wanted || text.slice(text.indexOf(':') + 1) === wanted;
  });
}

function folded(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
