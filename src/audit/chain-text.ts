// Lines that continue a chain, collected for one write. Pure; clavigerd. If the write fails they
// are dropped, and the chain goes on from its old head.

import { formatRecord, hashOfLine } from './record-line.js';
import type { AuditEntry, AuditRecord } from './audit-record.js';
import type { ChainHead } from './chain-head.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Longer reasons are cut off: they explain a record, and nothing depends on them. */
const MAX_REASON_CHARACTERS = 2000;

export class ChainText {
  #text = '';
  #head: ChainHead;
  #first: ChainHead | undefined;
  readonly #beginsFile: boolean;

  /** @param beginsFile the first of the lines will be the first one in a file */
  constructor(head: ChainHead, beginsFile: boolean) {
    this.#head = head;
    this.#beginsFile = beginsFile;
  }

  /** All lines, each with its newline. */
  get text(): string {
    return this.#text;
  }

  /** The number and hash of the first line; undefined while there is none. */
  get first(): ChainHead | undefined {
    return this.#first;
  }

  /** The head of the chain with these lines. */
  get head(): ChainHead {
    return this.#head;
  }

  /**
   * @param time milliseconds since 1970
   * @throws AppError AUDIT_RECORD when the record is too long; nothing is added then
   */
  add(entry: AuditEntry, time: number): void {
    const seq = this.#head.seq + 1;
    const record: Writable<AuditRecord> = {
      ...entry,
      seq,
      time: new Date(time).toISOString(),
      begins: this.#beginsFile && this.#first === undefined ? 'file' : undefined,
      prev: this.#head.hash,
    };
    if (record.reason !== undefined && record.reason.length > MAX_REASON_CHARACTERS) {
      record.reason = `${record.reason.slice(0, MAX_REASON_CHARACTERS)}…`;
    }
    const line = formatRecord(record);
    this.#text += `${line}\n`;
    this.#head = { seq, hash: hashOfLine(line) };
    this.#first ??= this.#head;
  }
}
