// A record that waits for the next write of the audit log. Pure; runs in clavigerd.

import type { GroupItem } from '../sys/group-commit.js';
import type { AuditEntry } from './audit-record.js';
import type { ChainText } from './chain-text.js';

export interface PendingRecord {
  readonly entry: AuditEntry;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Adds a record to a text; one that is too long is rejected alone. */
export function addTo(text: ChainText, { item, reject }: GroupItem<PendingRecord>): void {
  try {
    text.add(item.entry, item.time);
  } catch (error) {
    reject(error);
  }
}
