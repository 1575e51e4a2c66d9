// Lines that continue a chain, gathered for one write. Pure. The chain itself goes on when they are written.

import { formatRecord, hashOfLine, type AuditEntry, type ChainHead } from './audit-record.js';

/** A reason explains; it is not what was signed, so it may be cut. */
const MAX_REASON_CHARACTERS = 2000;

export class ChainText {
  #text = '';
  #head: ChainHead;

  constructor(head: ChainHead) {
    this.#head = head;
  }

  /** Whole lines. */
  get text(): string {
    return this.#text;
  }

  /** The last of the lines. */
  get head(): ChainHead {
    return this.#head;
  }

  /**
   * @param time milliseconds since 1970.
   * @throws AppError AUDIT_RECORD when the record is too long; nothing is added then.
   */
  add(entry: AuditEntry, time: number): void {
    const seq = this.#head.seq + 1;
    const record = { ...entry, seq, time: new Date(time).toISOString(), prev: this.#head.hash };
    if (record.reason !== undefined && record.reason.length > MAX_REASON_CHARACTERS) {
      record.reason = `${record.reason.slice(0, MAX_REASON_CHARACTERS)}…`;
    }
    const line = formatRecord(record);
    this.#text += `${line}\n`;
    this.#head = { seq, hash: hashOfLine(line) };
  }
}
