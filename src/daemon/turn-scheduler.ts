// Decides which connection works next: of those that have a request ready each does one in its
// turn, accounts first, then listeners, then connections. Runs in clavigerd, once for all
// listeners. Requests are parsed and decided upon in these turns alone, so that no number of them
// delays other work of the event loop for longer than a turn and the request that it ends with.

import type { Client } from '../keys/account-key.js';
import { FairQueue } from '../keys/fair-queue.js';

/** After this time the event loop continues with sockets, helpers and timers. */
const TURN_MS = 2;

/** Something that may have a request to work on. */
export interface TurnTaker {
  readonly client: Client;
  /**
   * Works on one request at most, and never throws. True when there is another that it can work on.
   */
  takeTurn(): boolean;
}

interface TurnSchedulerOptions {
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Calls back in the next round of the event loop. */
  readonly defer: (callback: () => void) => void;
}

export class TurnScheduler {
  readonly #options: TurnSchedulerOptions;
  readonly #ready = new FairQueue<TurnTaker>();
  readonly #known = new Set<TurnTaker>();

  constructor(options: TurnSchedulerOptions) {
    this.#options = options;
  }

  /** Queues a worker that has a request; one that is queued already keeps its one turn. */
  wake(worker: TurnTaker): void {
    if (this.#known.has(worker)) {
      return;
    }
    if (this.#known.size === 0) {
      this.#defer();
    }
    this.#known.add(worker);
    this.#ready.push(worker.client, worker);
  }

  #defer(): void {
    this.#options.defer(() => {
      this.#work();
    });
  }

  #work(): void {
    const { now } = this.#options;
    const begun = now();
    do {
      const worker = this.#ready.shift();
      if (worker === undefined) {
        return;
      }
      if (worker.takeTurn()) {
        this.#ready.push(worker.client, worker);
      } else {
        this.#known.delete(worker);
      }
    } while (now() - begun < TURN_MS);
    if (this.#known.size > 0) {
      this.#defer();
    }
  }
}
