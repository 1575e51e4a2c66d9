// All clients of one listener: numbers them, limits how many there are, and lets them finish when
// the daemon stops. Runs in clavigerd.

import type { Duplex } from 'node:stream';
import { Connection, type ConnectionSettings } from './connection.js';

interface ConnectionPoolOptions {
  readonly settings: ConnectionSettings;
  readonly maxConnections: number;
  readonly account: string;
  readonly listener: string;
  /**
   * True: connections are named `listener/number`; false, where there is one listener: by number.
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

  /** Serves a client; one too many is disconnected without an answer. */
  add(stream: Duplex): void {
    if (this.#connections.size >= this.#options.maxConnections) {
      this.#options.settings.connectionLog.busy(`${this.#connections.size} connections are open`);
      stream.on('error', () => undefined); // the peer may reset what we close
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

  /** Answers what is in hand; connections that are open after `graceMs` are destroyed. */
  async finish(graceMs: number): Promise<void> {
    for (const connection of this.#connections) {
      connection.finish();
    }
    const timer = this.#options.settings.timers.after(graceMs, () => {
      for (const connection of this.#connections) {
        connection.destroy('shutting down');
      }
    });
    await this.whenEmpty();
    timer.cancel();
  }

  #notifyIfEmpty(): void {
    if (this.#connections.size === 0) {
      this.#onEmpty?.();
    }
  }
}
