// Gaps of the audit log that are still to be recorded. A gap record says that records are missing,
// or that the file is not as the daemon left it, and why. Pure; clavigerd.

import type { FileState } from './audit-file.js';
import type { AuditEntry } from './audit-record.js';
import type { ChainHead } from './chain-head.js';

/** The content of a gap record. */
export interface Gap {
  readonly reason: string;
  /** Length and SHA-256 of an incomplete record that was cut off. */
  readonly bytes?: number;
  readonly sha256?: string;
}

export class GapNotes {
  #gaps: Gap[] = [];
  #lost = 0;
  #lostReason = '';

  /** Adds a gap, unless one with the same reason is waiting. */
  add(gap: Gap): void {
    if (!this.#gaps.some(({ reason }) => reason === gap.reason)) {
      this.#gaps.push(gap);
    }
  }

  /**
   * Counts records that could not be written. The first reason since `clear` is the one recorded.
   */
  addLost(count: number, reason: string): void {
    if (this.#lost === 0) {
      this.#lostReason = reason;
    }
    this.#lost += count;
  }

  /** The records to write, one for each gap. */
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
