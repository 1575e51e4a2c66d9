// Counts decisions by day, operation, name and verdict, for `clavigerd audit summary`. Pure. Memory
// grows with the number of different names in the files, and not with the number of records.

import type { AuditRecord } from '../../audit/audit-record.js';
import { formatTable } from '../../lib/table.js';

interface AuditCount {
  /** In UTC. */
  readonly day: string;
  /** Empty when the request was no known operation. */
  readonly operation: string;
  /** Empty when the request carried none; `(several)` for joined refusals of several names. */
  readonly name: string;
  readonly verdict: string;
  readonly count: number;
}

/** A DNS name with its type has fewer. */
const MAX_NAME_CHARACTERS = 300;
const SEVERAL = '(several)';
const DAY_LENGTH = '2026-11-22'.length;

export class AuditCounter {
  readonly #counts = new Map<string, AuditCount>();

  /** Counts a decision once for each of its names, in lower case. Other records are not counted. */
  add(record: AuditRecord): void {
    if (record.event !== 'decision') {
      return;
    }
    const { operation = '', verdict = '', count = 1, 'first-time': time = record.time } = record;
    for (const name of namesOf(record)) {
      const row = { day: time.slice(0, DAY_LENGTH), operation, name, verdict };
      const key = JSON.stringify(Object.values(row));
      this.#counts.set(key, { ...row, count: (this.#counts.get(key)?.count ?? 0) + count });
    }
  }

  /** Sorted by day, operation, name and verdict. */
  result(): readonly AuditCount[] {
    const sorted = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([, count]) => count);
  }
}

/** The names to count. The record of joined refusals does not say how many were for which name. */
function namesOf({ identifiers = [], 'name-count': nameCount = 0 }: AuditRecord): Set<string> {
  if (nameCount > 1) {
    return new Set([SEVERAL]);
  }
  return new Set(identifiers.length === 0 ? [''] : identifiers.map((name) => name.toLowerCase()));
}

/** A table for people. */
export function formatCounts(counts: readonly AuditCount[]): string {
  const rows = counts.map(({ day, operation, name, verdict, count }) => [
    ...[day, operation, name, verdict],
    String(count),
  ]);
  const head = ['DAY', 'OPERATION', 'NAME', 'VERDICT', 'COUNT'];
  return formatTable(head, rows, MAX_NAME_CHARACTERS).join('\n');
}
