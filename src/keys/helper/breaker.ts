// A circuit breaker: decides when a token is not used for a while. Pure; runs in clavigerd and
// `clavigerd key`. While it is open, requests are answered with an error at once. Each opening
// lasts twice as long as the one before, until a signature succeeds: neither an absent token nor
// one that crashes its helper keeps the daemon busy.

import type { Timers } from '../../lib/timers.js';

/** Failures in a row, without a signature between them, after which it opens. */
const MAX_STRIKES = 3;
/** Failures in a minute after which it opens, whatever succeeds between them. */
const MAX_STRIKES_PER_WINDOW = 10;
const WINDOW_MS = 60_000;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 10_000;

export class Breaker {
  readonly #clock: Pick<Timers, 'now'>;
  /** When the failures of the last minute were. */
  #recent: number[] = [];
  #strikesInRow = 0;
  #tripsInRow = 0;
  #open = false;

  constructor(clock: Pick<Timers, 'now'>) {
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** How long to wait before the token is tried again; meaningful while it is open. */
  get delayMs(): number {
    return Math.min(FIRST_DELAY_MS * 2 ** Math.max(this.#tripsInRow - 1, 0), MAX_DELAY_MS);
  }

  /** A failure that may happen once: a hang, a crash. */
  strike(): void {
    if (this.#open) {
      return;
    }
    const now = this.#clock.now();
    this.#recent = [...this.#recent.filter((at) => at > now - WINDOW_MS), now];
    this.#strikesInRow += 1;
    if (this.#strikesInRow >= MAX_STRIKES || this.#recent.length >= MAX_STRIKES_PER_WINDOW) {
      this.trip();
    }
  }

  /** A failure that will last: no token, or no recovery helped. */
  trip(): void {
    this.#open = true;
    this.#tripsInRow += 1;
    this.#recent = [];
  }

  /** The token is present again; whether it signs is not known yet. */
  close(): void {
    this.#open = false;
  }

  /** It has signed. */
  succeed(): void {
    this.#strikesInRow = 0;
    this.#tripsInRow = 0;
  }
}
