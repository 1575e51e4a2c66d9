// Decisions counted by day, operation, name and verdict: `clavigerd audit summary`. Pure.
// Memory grows with the different names in the files, which is what a client may order; not with the records.

import type { AuditRecord } from '../audit/audit-record.js';
import { formatTable } from '../lib/table.js';

export interface AuditCount {
  /** In UTC. */
  readonly day: string;
  /** Empty when the request was none of the known. */
  readonly operation: string;
  /** Empty when the request carried none. */
  readonly name: string;
  readonly verdict: string;
  readonly count: number;
}

/** A DNS name with its type; what is longer is none. */
const MAX_NAME_CHARACTERS = 300;
const DAY_LENGTH = '2026-11-22'.length;

export class AuditCounter {
  readonly #counts = new Map<string, AuditCount>();

  /** Counts a decision once for each of its names, whatever their case; what is no decision, not at all. */
  add(record: AuditRecord): void {
    if (record.event !== 'decision') {
      return;
    }
    const { identifiers = [] } = record;
    const names = identifiers.length === 0 ? [''] : identifiers.map((name) => name.toLowerCase());
    for (const name of new Set(names)) {
      const { operation = '', verdict = '' } = record;
      const row = { day: record.time.slice(0, DAY_LENGTH), operation, name, verdict };
      const key = JSON.stringify(Object.values(row));
      this.#counts.set(key, { ...row, count: (this.#counts.get(key)?.count ?? 0) + 1 });
    }
  }

  /** Sorted by day, operation, name and verdict. */
  result(): readonly AuditCount[] {
    const sorted = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([, count]) => count);
  }
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
