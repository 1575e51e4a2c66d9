// Compares a chain with records that are known from elsewhere: the noted head, the first record of
// the open file, a head that somebody has kept. Pure; `clavigerd audit`. They show what the chain
// itself cannot: that its beginning or end is missing, that it was written anew, or that records
// were added after the daemon had ended.

import type { ChainHead } from './chain-head.js';
import type { LinkedRecord } from './chain-breaks.js';
import type { ChainFinding, Place } from './chain-finding.js';

/** Where a chain begins and ends. */
interface ChainEnds {
  readonly first: LinkedRecord | undefined;
  readonly head: ChainHead | undefined;
  /** The place of the last line. */
  readonly end: Place;
}

export interface KnownRecord extends ChainHead {
  /** The daemon ended normally with this record: none may follow. */
  readonly isEnd?: boolean;
}

export class KnownRecords {
  readonly #known: readonly KnownRecord[];
  readonly #seen = new Set<ChainHead>();
  readonly #others = new Map<ChainHead, Place>();
  /** The first record that follows one with `isEnd`. */
  readonly #beyond = new Map<ChainHead, Place & { readonly seq: number }>();

  constructor(known: readonly KnownRecord[]) {
    this.#known = known;
  }

  /** Compares a record of the chain; to be called with each. */
  compare({ seq, hash }: ChainHead, place: Place): void {
    for (const known of this.#known) {
      if (known.seq === seq && known.hash === hash) {
        this.#seen.add(known);
      } else if (known.seq === seq && !this.#others.has(known)) {
        this.#others.set(known, place);
      } else if (known.isEnd === true && seq > known.seq && !this.#beyond.has(known)) {
        this.#beyond.set(known, { ...place, seq });
      }
    }
  }

  /** Findings on known records that are not in the chain, and on records after the end. */
  findings(ends: ChainEnds): readonly ChainFinding[] {
    const missing = this.#known.filter((known) => !this.#seen.has(known));
    return [
      ...missing.map((known) => this.#findingOf(known, ends)),
      ...[...this.#beyond].map(([{ seq: end }, { seq, file, line }]): ChainFinding => {
        const message = `record ${seq} comes after record ${end}, with which the daemon ended in order`;
        return { kind: 'inserted', file, line, message };
      }),
    ];
  }

  #findingOf(known: ChainHead, { first, head, end }: ChainEnds): ChainFinding {
    const other = this.#others.get(known);
    if (other !== undefined) {
      const message = `record ${known.seq} is not the one that is known`;
      return { kind: 'edited', ...other, message };
    }
    const missing = `record ${known.seq}, which is known, is not there`;
    if (first !== undefined && known.seq < first.seq) {
      const message = `the chain begins with record ${first.seq}, and ${missing}`;
      return { kind: 'removed', file: first.file, line: first.line, message };
    }
    const whatThereIs =
      head === undefined ? 'there is no record' : `the chain ends at record ${head.seq}`;
    return { kind: 'truncated', ...end, message: `${whatThereIs}, and ${missing}` };
  }
}
