// A time that never goes back, whatever is done to the system clock. Pure; runs in clavigerd. If
// the clock is set back, this time continues from the latest known time at the pace of the
// monotonic clock until the clock has caught up: counts do not stay in the future of their windows,
// and used budgets do not become free again.

import type { Clock } from '../lib/clock.js';

export class LogicalTime {
  readonly #clock: Clock;
  readonly #monotonicNow: () => number;
  #base: number;
  #baseAt: number;

  /**
   * @param earliest the latest time known from before, ms; @param monotonicNow ms from any origin.
   */
  constructor(clock: Clock, monotonicNow: () => number, earliest: number) {
    this.#clock = clock;
    this.#monotonicNow = monotonicNow;
    this.#base = Math.max(earliest, clock.now());
    this.#baseAt = monotonicNow();
  }

  /** How far this time is ahead of the clock, ms: above 0 when the clock was set back. */
  get aheadMs(): number {
    return this.now() - this.#clock.now();
  }

  /** Whole milliseconds since 1970; the clock's time when that is later. */
  now(): number {
    const monotonic = this.#monotonicNow();
    const progressed = Math.floor(this.#base + (monotonic - this.#baseAt));
    const wall = this.#clock.now();
    if (wall <= progressed) {
      return progressed;
    }
    this.#base = wall;
    this.#baseAt = monotonic;
    return wall;
  }
}
