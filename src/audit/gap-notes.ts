// What the audit log has to tell of itself before it goes on: records that are missing, and why.
// Pure.

import type { FileState } from './audit-file.js';
import type { AuditEntry } from './audit-record.js';
import type { ChainHead } from './chain-head.js';

/** What a gap record says. */
export interface Gap {
  readonly reason: string;
  /** Length and hash of half a record that was cut off. */
  readonly bytes?: number;
  readonly sha256?: string;
}

export class GapNotes {
  #gaps: Gap[] = [];
  #lost = 0;
  #lostReason = '';

  /** The same reason twice in a row of notes is one. */
  add(gap: Gap): void {
    if (!this.#gaps.some(({ reason }) => reason === gap.reason)) {
      this.#gaps.push(gap);
    }
  }

  /**
   * Counts records that could not be written; the first reason of a spell is the one that is told.
   */
  addLost(count: number, reason: string): void {
    if (this.#lost === 0) {
      this.#lostReason = reason;
    }
    this.#lost += count;
  }

  /** A gap record each. */
  entries(): readonly AuditEntry[] {
    const gaps: Gap[] = [...this.#gaps];
    if (this.#lost > 0) {
      const records = this.#lost === 1 ? '1 record' : `${this.#lost} records`;
      gaps.push({ reason: `${records} could not be written: ${this.#lostReason}` });
    }
    return gaps.map((gap) => ({ event: 'gap', ...gap }));
  }

  clear(): void {
    this.#gaps = [];
    this.#lost = 0;
  }
}

export function removalAfter({ seq }: ChainHead): Gap {
  return { reason: `the file was removed; it ended with record ${seq}` };
}

export function changeOf({ expected, found }: FileState & { kind: 'changed' }): Gap {
  return { reason: `somebody else changed the file: it had ${expected} bytes, and has ${found}` };
}
