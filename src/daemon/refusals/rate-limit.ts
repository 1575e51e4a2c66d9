// A token bucket: so much a second, and some at once after a pause. Pure; runs in clavigerd. The
// time is a parameter, in milliseconds of a monotonic clock.

export class RateLimit {
  readonly #perMs: number;
  readonly #burst: number;
  #left: number;
  #at: number | undefined;

  /** @param burst what may be taken at once after a pause. */
  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#left = burst;
  }

  /** Milliseconds until something may be taken, at least 1; 0 for now. */
  waitMs(now: number): number {
    this.#refill(now);
    return this.#left > 0 ? 0 : Math.max(1, Math.ceil(-this.#left / this.#perMs));
  }

  /** Takes an amount, also when it is more than there is: the next one then waits longer. */
  take(amount: number, now: number): void {
    this.#refill(now);
    this.#left -= amount;
  }

  #refill(now: number): void {
    const passed = Math.max(0, now - (this.#at ?? now));
    this.#left = Math.min(this.#burst, this.#left + passed * this.#perMs);
    this.#at = now;
  }
}
