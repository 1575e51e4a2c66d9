// How much of the ledger's memory is used, in all and by each policy of an account. Pure; runs in
// clavigerd. A client that may ask for any number of names can fill the share of its own policy
// through a budget per identifier, and never the memory that budgets of other policies need.

import { policyOfKey } from '../policy/budget.js';

/** What may be kept. */
export interface CountBounds {
  readonly maxCounts: number;
  readonly maxKeys: number;
}

/** In all windows together: eight bytes a count, and a key for each name in its window. */
export const ALL_BOUNDS: CountBounds = { maxCounts: 1_000_000, maxKeys: 100_000 };
/** Of these, one policy of an account may have a quarter. */
export const POLICY_BOUNDS: CountBounds = { maxCounts: 250_000, maxKeys: 25_000 };

interface Tally {
  counts: number;
  keys: number;
}

export class BudgetUsage {
  readonly #bounds: CountBounds;
  readonly #policyBounds: CountBounds;
  readonly #all: Tally = { counts: 0, keys: 0 };
  readonly #ofPolicy = new Map<string, Tally>();

  constructor(bounds: CountBounds, policyBounds: CountBounds) {
    this.#bounds = bounds;
    this.#policyBounds = policyBounds;
  }

  /** Adds counts of a key, and the key itself when `keys` is 1; negative numbers subtract. */
  change(key: string, counts: number, keys: -1 | 0 | 1): void {
    const policy = policyOfKey(key);
    const own = this.#ofPolicy.get(policy) ?? { counts: 0, keys: 0 };
    for (const tally of [this.#all, own]) {
      tally.counts += counts;
      tally.keys += keys;
    }
    if (own.keys === 0) {
      this.#ofPolicy.delete(policy);
    } else {
      this.#ofPolicy.set(policy, own);
    }
  }

  /**
   * True when one count more for each of these keys would be too much. @param isKnown of a key that
   * is kept
   */
  isFullWith(keys: ReadonlySet<string>, isKnown: (key: string) => boolean): boolean {
    const asked = new Map<string, Tally>();
    for (const key of keys) {
      const policy = policyOfKey(key);
      const own = asked.get(policy) ?? { counts: 0, keys: 0 };
      asked.set(policy, { counts: own.counts + 1, keys: own.keys + (isKnown(key) ? 0 : 1) });
    }
    const newKeys = [...asked.values()].reduce((sum, tally) => sum + tally.keys, 0);
    return (
      isBeyond(this.#bounds, this.#all, { counts: keys.size, keys: newKeys }) ||
      [...asked].some(([policy, tally]) =>
        isBeyond(this.#policyBounds, this.#ofPolicy.get(policy), tally),
      )
    );
  }
}

function isBeyond(bounds: CountBounds, used: Tally | undefined, asked: Tally): boolean {
  return (
    (used?.counts ?? 0) + asked.counts > bounds.maxCounts ||
    (used?.keys ?? 0) + asked.keys > bounds.maxKeys
  );
}
