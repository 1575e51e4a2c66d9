// Lets the records through that a check of their files found to be the chain's, and those alone:
// what `clavigerd audit show` and `summary` tell of. Pure.

import type { AuditRecord } from '../../audit/audit-record.js';
import { parseRecord } from '../../audit/record-line.js';
import type { RecordRange } from '../../audit/chain-finding.js';
import type { CutLine } from '../terminal/line-cutter.js';

export interface ReadRecord {
  readonly record: AuditRecord;
  /** The record as it stands in the file. */
  readonly line: string;
}

/** To be given every line that was checked, in the same order. */
export class ChainSieve {
  readonly #unchained: RecordRange[];
  readonly #checked: number;
  #at = 0;

  /**
   * @param unchained in order.
   * @param checked how many records were looked at; what was written since is not let through.
   */
  constructor(unchained: readonly RecordRange[], checked: number) {
    this.#unchained = [...unchained];
    this.#checked = checked;
  }

  /** @param line the next one of all. */
  take({ bytes, isEnded }: CutLine): readonly ReadRecord[] {
    const record = isEnded ? recordOf(bytes) : undefined;
    if (record === undefined) {
      return [];
    }
    this.#at += 1;
    while (this.#at > (this.#unchained[0]?.to ?? Infinity)) {
      this.#unchained.shift();
    }
    const isDropped =
      this.#at > this.#checked || this.#at >= (this.#unchained[0]?.from ?? Infinity);
    return isDropped ? [] : [{ record, line: bytes.toString('latin1') }];
  }
}

function recordOf(bytes: Buffer): AuditRecord | undefined {
  try {
    return parseRecord(bytes);
  } catch {
    return undefined;
  }
}
