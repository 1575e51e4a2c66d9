// Clients that connect before the key is known. Runs in clavigerd. The greeting holds the public
// key, so that such a client waits while the key is being opened, and is disconnected when that
// fails.

import type { Duplex } from 'node:stream';
import type { AccountKey } from '../keys/account-key.js';
import { hintLineOf, messageOf } from '../lib/errors.js';
import type { ConnectionLog } from './connection-log.js';
import type { ConnectionPool } from './connection-pool.js';
import type { LazyKey } from './lazy-key.js';

interface PendingClientsOptions {
  readonly keys: LazyKey;
  readonly connectionLog: ConnectionLog;
  /** Clients that may wait; one more is disconnected. */
  readonly maxWaiting: number;
  /** Called once, when the key is known. */
  readonly openPool: (key: AccountKey) => ConnectionPool;
}

export class PendingClients {
  readonly #options: PendingClientsOptions;
  readonly #waiting = new Set<Duplex>();
  #pool: ConnectionPool | undefined;
  #finished = false;

  constructor(options: PendingClientsOptions) {
    this.#options = options;
  }

  /** The key is known: clients are greeted from now on. */
  open(key: AccountKey): ConnectionPool {
    this.#pool ??= this.#options.openPool(key);
    return this.#pool;
  }

  /** Serves a client, at once or when the key is known. */
  add(stream: Duplex): void {
    if (this.#pool !== undefined) {
      this.#pool.add(stream);
      return;
    }
    stream.on('error', () => undefined);
    if (this.#waiting.size >= this.#options.maxWaiting) {
      this.#turnAway(stream, 'too many clients wait for the key');
      return;
    }
    this.#waiting.add(stream);
    this.#options.keys.get().then(
      (key) => {
        this.#greet(stream, key);
      },
      (error: unknown) => {
        this.#waiting.delete(stream);
        this.#turnAway(stream, messageOf(error), hintLineOf(error));
      },
    );
  }

  /** Disconnects the clients that wait for the key; the others get the answers they wait for. */
  async finish(graceMs: number): Promise<void> {
    this.#finished = true;
    for (const stream of this.#waiting) {
      stream.destroy();
    }
    await this.#pool?.finish(graceMs);
  }

  #greet(stream: Duplex, key: AccountKey): void {
    const pool = this.open(key);
    this.#waiting.delete(stream);
    if (!stream.destroyed && !this.#finished) {
      pool.add(stream);
    }
  }

  #turnAway(stream: Duplex, reason: string, hint?: string): void {
    if (!this.#finished) {
      this.#options.connectionLog.notGreeted(reason, hint);
    }
    stream.destroy();
  }
}
