// What was counted against budgets: for each key, the times. Pure; runs in clavigerd. The window
// slides: at no moment are there more counts than the limit within the window before it. Counts
// that have left their window are dropped. Memory is bounded by fixed numbers; when they are
// reached, nothing more is counted, and so nothing signed.

import type { Charge } from '../policy/budget.js';
import { ALL_BOUNDS, BudgetUsage, POLICY_BOUNDS } from './usage.js';

export interface Exhausted {
  readonly charge: Charge;
  /** Until there is room, ms. */
  readonly waitMs: number;
}

/** When something was counted, earliest first, ms; each count is kept for `windowMs`. */
export interface CountLog {
  readonly key: string;
  readonly windowMs: number;
  readonly times: readonly number[];
}

interface KeyLog {
  windowMs: number;
  times: number[];
}

export class BudgetCounts {
  readonly #usage: BudgetUsage;
  readonly #logs = new Map<string, KeyLog>();
  /** Before that time no count leaves its window, so that `dropAll` would drop nothing. */
  #nextDrop = 0;

  /**
   * @param bounds of all counts together; @param policyBounds of those of one policy of an account.
   */
  constructor(bounds = ALL_BOUNDS, policyBounds = POLICY_BOUNDS) {
    this.#usage = new BudgetUsage(bounds, policyBounds);
  }

  /** The charge that has no room for one more count, and of several the one to wait longest for. */
  exhausted(charges: readonly Charge[], now: number): Exhausted | undefined {
    let longest: Exhausted | undefined;
    for (const charge of charges) {
      const waitMs = this.#waitFor(charge, now);
      if (waitMs > (longest?.waitMs ?? 0)) {
        longest = { charge, waitMs };
      }
    }
    return longest;
  }

  /** True when these charges' counts can be kept. */
  canHold(charges: readonly Charge[], now: number): boolean {
    if (!this.#isFullWith(charges)) {
      return true;
    }
    if (now >= this.#nextDrop) {
      this.#dropAll(now);
    }
    return !this.#isFullWith(charges);
  }

  /** Counts one for each key; charges that share a key count as one. @returns what was counted. */
  add(charges: readonly Charge[], now: number): CountLog[] {
    const windows = new Map<string, number>();
    for (const { key, windowMs } of charges) {
      windows.set(key, Math.max(windowMs, windows.get(key) ?? 0));
    }
    const added = [...windows].map(([key, windowMs]) => ({ key, windowMs, times: [now] }));
    added.forEach((log) => {
      this.load(log);
    });
    return added;
  }

  /** Takes counts back that `add` made, as if they had never been. */
  remove(added: readonly CountLog[]): void {
    for (const { key, times } of added) {
      const log = this.#logs.get(key);
      for (const time of times) {
        const at = log?.times.lastIndexOf(time) ?? -1;
        if (at >= 0) {
          log?.times.splice(at, 1);
          this.#usage.change(key, -1, 0);
        }
      }
      if (log?.times.length === 0) {
        this.#forget(key);
      }
    }
  }

  /** Adds what had been counted before. */
  load({ key, windowMs, times }: CountLog): void {
    let log = this.#logs.get(key);
    if (log === undefined) {
      log = { windowMs, times: [] };
      this.#logs.set(key, log);
      this.#usage.change(key, 0, 1);
    }
    log.windowMs = Math.max(log.windowMs, windowMs);
    const isInOrder = (times[0] ?? 0) >= (log.times.at(-1) ?? 0);
    for (const time of times) {
      log.times.push(time);
      this.#nextDrop = Math.min(this.#nextDrop, time + windowMs);
    }
    if (!isInOrder) {
      log.times.sort((left, right) => left - right);
    }
    this.#usage.change(key, times.length, 0);
  }

  /** All that is in its window; what is not is dropped. */
  live(now: number): CountLog[] {
    this.#dropAll(now);
    return [...this.#logs].map(([key, { windowMs, times }]) => ({ key, windowMs, times }));
  }

  /** How long until one more count fits, ms; 0 when it does now. */
  #waitFor({ key, limit, windowMs }: Charge, now: number): number {
    const log = this.#logs.get(key);
    if (log === undefined) {
      return limit > 0 ? 0 : windowMs;
    }
    this.#drop(key, log, now);
    const { times } = log;
    const count = times.length - indexAfter(times, now - windowMs);
    if (count < limit) {
      return 0;
    }
    // Room comes when the count that is `limit` places from the end leaves; a lowered limit takes
    // longer.
    return limit > 0 ? (times[times.length - limit] ?? now) + windowMs - now : windowMs;
  }

  #isFullWith(charges: readonly Charge[]): boolean {
    const keys = new Set(charges.map(({ key }) => key));
    return this.#usage.isFullWith(keys, (key) => this.#logs.has(key));
  }

  #forget(key: string): void {
    this.#logs.delete(key);
    this.#usage.change(key, 0, -1);
  }

  /** Drops only when half of a list has left, so that the cost per count stays constant. */
  #drop(key: string, log: KeyLog, now: number, isAll = false): void {
    const left = indexAfter(log.times, now - log.windowMs);
    if (left > 0 && (isAll || left * 2 > log.times.length)) {
      log.times = log.times.slice(left);
      this.#usage.change(key, -left, 0);
    }
  }

  #dropAll(now: number): void {
    this.#nextDrop = Infinity;
    for (const [key, log] of this.#logs) {
      this.#drop(key, log, now, true);
      const [first] = log.times;
      if (first === undefined) {
        this.#forget(key);
      } else {
        this.#nextDrop = Math.min(this.#nextDrop, first + log.windowMs);
      }
    }
  }
}

/** The index of the first time later than `time`. */
function indexAfter(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] ?? Infinity) > time) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
