// Selects the records that verification has found to belong to the chain: only these are shown and
// counted by `clavigerd audit show` and `summary`. Pure.

import type { AuditRecord } from '../../audit/audit-record.js';
import { parseRecord } from '../../audit/record-line.js';
import type { RecordRange } from '../../audit/chain-finding.js';
import type { CutLine } from '../terminal/line-cutter.js';

export interface ReadRecord {
  readonly record: AuditRecord;
  /** The line of the file. */
  readonly line: string;
}

/** Has to be given every line that was verified, in the same order. */
export class ChainSieve {
  readonly #unchained: RecordRange[];
  readonly #checked: number;
  #at = 0;

  /**
   * @param unchained records that do not belong to the chain, in order
   * @param checked how many records were verified; those written since are not selected
   */
  constructor(unchained: readonly RecordRange[], checked: number) {
    this.#unchained = [...unchained];
    this.#checked = checked;
  }

  /** @param line the next line @returns its record, if that is selected */
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
