// Who works next: of the connections that have a request ready, each does one in its turn, accounts
// first, then listeners, then connections. Runs in the daemon, once for all listeners. What clients
// send is judged here and nowhere else, so that no number of them can keep the event loop from the
// others for longer than a turn and the one request that it ends with.

import type { Client } from '../keys/account-key.js';
import { FairQueue } from '../keys/fair-queue.js';

/** After so long the event loop has its round: sockets, helpers and timers come first again. */
const TURN_MS = 2;

/** Something that may have a request to work on. */
export interface Worker {
  readonly client: Client;
  /**
   * Works on one request at most, and never throws. True when there is another that it can work on.
   */
  takeTurn(): boolean;
}

export interface TurnSchedulerOptions {
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  /** Calls back after the event loop has been round. */
  readonly defer: (callback: () => void) => void;
}

export class TurnScheduler {
  readonly #options: TurnSchedulerOptions;
  readonly #ready = new FairQueue<Worker>();
  readonly #known = new Set<Worker>();

  constructor(options: TurnSchedulerOptions) {
    this.#options = options;
  }

  /** It has a request that it can work on. Told again, it has one turn all the same. */
  wake(worker: Worker): void {
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
