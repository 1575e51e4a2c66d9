// The account key, once it can be had. Runs in the daemon. A token may be away, locked or out of
// order when the daemon starts: the key is then opened when a client next needs it, by one attempt
// at a time.

import type { AccountKey } from '../keys/account-key.js';
import type { Clock } from '../lib/clock.js';

/** Between two attempts; clients that come meanwhile are told of the last one. */
const PAUSE_MS = 2_000;

export class LazyKey {
  readonly #open: () => Promise<AccountKey>;
  readonly #clock: Clock;
  #key: Promise<AccountKey> | undefined;
  #opened: AccountKey | undefined;
  #failedAt: number | undefined;

  constructor(open: () => Promise<AccountKey>, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  /**
   * The key; opened unless that has been done. @throws what opening it threw, a short while ago
   * maybe
   */
  get(): Promise<AccountKey> {
    if (this.#key === undefined || this.#isDueAgain()) {
      this.#failedAt = undefined;
      const key = this.#open();
      this.#key = key;
      key.then(
        (opened) => {
          this.#opened = opened;
        },
        () => {
          this.#failedAt = this.#clock.now();
        },
      );
    }
    return this.#key;
  }

  /**
   * Closes the key. One that is still being opened is not waited for: the end of this process ends
   * that.
   */
  async close(): Promise<void> {
    await this.#opened?.close();
  }

  #isDueAgain(): boolean {
    return this.#failedAt !== undefined && this.#clock.now() - this.#failedAt >= PAUSE_MS;
  }
}
