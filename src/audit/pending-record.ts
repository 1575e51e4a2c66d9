// A record that waits for the next write, and for whom it is told that it was written. Pure.

import type { AuditEntry } from './audit-record.js';
import type { ChainText } from './chain-text.js';

export interface PendingRecord {
  readonly entry: AuditEntry;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Puts a record into a text; one that is too long is refused alone. @returns whether it is in it.
 */
export function addTo(text: ChainText, { entry, time, reject }: PendingRecord): boolean {
  try {
    text.add(entry, time);
    return true;
  } catch (error) {
    reject(error);
    return false;
  }
}
