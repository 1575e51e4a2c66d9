// The account key, opened when it is first needed. Runs in clavigerd. A token may be away, locked
// or out of order when the daemon starts: the key is then opened when a client next needs it, with
// one attempt at a time.

import type { AccountKey } from '../keys/account-key.js';
import type { Clock } from '../lib/clock.js';

/** Time between two attempts; until then clients get the error of the last one. */
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

  /** The key; opened unless it is open. @throws what the last attempt to open it threw */
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
