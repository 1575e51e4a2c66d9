// A clock that stands still until a test moves it. Used by unit tests only.

import { setImmediate as turn } from 'node:timers/promises';
import type { Timer, Timers } from '../../src/lib/timers.js';

interface DueCall {
  readonly at: number;
  readonly callback: () => void;
}

export class ManualTimers implements Timers {
  #nowMs = 1_000_000;
  readonly #due = new Set<DueCall>();

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): Timer {
    const call: DueCall = { at: this.#nowMs + ms, callback };
    this.#due.add(call);
    return {
      cancel: () => {
        this.#due.delete(call);
      },
    };
  }

  /** How many timers run. */
  get running(): number {
    return this.#due.size;
  }

  /**
   * Moves the clock on and calls what is due in its order; promises settle before, and after each.
   */
  async advance(ms: number): Promise<void> {
    await turn();
    const end = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) {
        break;
      }
      this.#due.delete(next);
      this.#nowMs = next.at;
      next.callback();
      await turn();
    }
    this.#nowMs = end;
    await turn();
  }
}
