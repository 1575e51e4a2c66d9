// All clients at once: numbers them, caps their count, and finishes them when the daemon stops.

import type { Duplex } from 'node:stream';
import { Connection, type ConnectionSettings } from './connection.js';

export interface ConnectionPoolOptions {
  readonly settings: ConnectionSettings;
  readonly maxConnections: number;
  readonly account: string;
  readonly listener: string;
  /**
   * False where it is the only one: connections then have plain numbers, else its name before them.
   */
  readonly isOneOfMany: boolean;
}

export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  readonly #connections = new Set<Connection>();
  #nextNumber = 1;
  #onEmpty: (() => void) | undefined;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  /** Serves a client; over the cap it is disconnected without a word. */
  add(stream: Duplex): void {
    if (this.#connections.size >= this.#options.maxConnections) {
      this.#options.settings.lines.busy(`${this.#connections.size} connections are open`);
      stream.on('error', () => undefined); // the peer's reset is of no interest
      stream.destroy();
      return;
    }
    const { account, listener, isOneOfMany, settings } = this.#options;
    const name = isOneOfMany ? `${listener}/${this.#nextNumber}` : String(this.#nextNumber);
    const connection = new Connection({
      ...settings,
      client: { account, listener, connection: name },
      stream,
      onClosed: () => {
        this.#connections.delete(connection);
        this.#notifyIfEmpty();
      },
    });
    this.#nextNumber += 1;
    this.#connections.add(connection);
  }

  /** Resolves when no client is left. */
  whenEmpty(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      this.#notifyIfEmpty();
    });
  }

  /** Lets every client have the answers it waits for; after `graceMs` the rest is cut off. */
  async finish(graceMs: number): Promise<void> {
    for (const connection of this.#connections) {
      connection.finish();
    }
    const timer = setTimeout(() => {
      for (const connection of this.#connections) {
        connection.destroy('shutting down');
      }
    }, graceMs);
    await this.whenEmpty();
    clearTimeout(timer);
  }

  #notifyIfEmpty(): void {
    if (this.#connections.size === 0) {
      this.#onEmpty?.();
    }
  }
}
