// Records that are known from elsewhere, and so must be in a chain: its head as it was noted, the first record of the
// file. Pure. What they show is what the chain itself cannot: that its beginning or end is gone, or that it was
// written anew.

import type { ChainHead } from './audit-record.js';
import type { ChainFinding, LinkedRecord, Place } from './chain-breaks.js';

/** What there is of the chain. */
export interface ChainEnds {
  readonly first: LinkedRecord | undefined;
  readonly head: ChainHead | undefined;
  /** The last line of all. */
  readonly end: Place;
}

export class KnownRecords {
  readonly #known: readonly ChainHead[];
  readonly #seen = new Set<ChainHead>();
  readonly #others = new Map<ChainHead, Place>();

  constructor(known: readonly ChainHead[]) {
    this.#known = known;
  }

  /** Takes each record that is read. */
  compare({ seq, hash }: ChainHead, place: Place): void {
    for (const known of this.#known) {
      if (known.seq === seq && known.hash === hash) {
        this.#seen.add(known);
      } else if (known.seq === seq && !this.#others.has(known)) {
        this.#others.set(known, place);
      }
    }
  }

  /** Those that are not there. */
  findings(ends: ChainEnds): readonly ChainFinding[] {
    return this.#known
      .filter((known) => !this.#seen.has(known))
      .map((known) => this.#findingOf(known, ends));
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
