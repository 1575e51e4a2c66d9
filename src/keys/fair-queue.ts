// A queue that serves its clients in turn: accounts take turns, within one account its listeners,
// and within one listener its connections. A client with many items delays itself and its listener;
// each other listener waits for one of its items at a time. Pure; runs in clavigerd and `clavigerd
// key`.

import type { Client } from './account-key.js';

/** Accounts, listeners or connections with items, the next one first. None is empty. */
type Ring<T> = Map<string, T>;

export class FairQueue<T> {
  readonly #accounts: Ring<Ring<Ring<T[]>>> = new Map();
  #length = 0;

  /** Items of all clients together. */
  get length(): number {
    return this.#length;
  }

  /** Puts an item behind those of the same connection. */
  push(client: Client, item: T): void {
    const { account, listener, connection } = client;
    const listeners = getOrAdd(this.#accounts, account, (): Ring<Ring<T[]>> => new Map());
    const connections = getOrAdd(listeners, listener, (): Ring<T[]> => new Map());
    getOrAdd(connections, connection, (): T[] => []).push(item);
    this.#length += 1;
  }

  /**
   * Takes the first item of the connection whose turn it is. Its account, its listener and itself
   * become the last ones.
   */
  shift(): T | undefined {
    const [account] = this.#accounts;
    const [listener] = account?.[1] ?? [];
    const [connection] = listener?.[1] ?? [];
    if (account === undefined || listener === undefined || connection === undefined) {
      return undefined;
    }
    const item = connection[1].shift();
    putLast(listener[1], connection, connection[1].length > 0);
    putLast(account[1], listener, listener[1].size > 0);
    putLast(this.#accounts, account, account[1].size > 0);
    this.#length -= 1;
    return item;
  }

  /** Takes out all items of a connection. */
  remove({ account, listener, connection }: Client): T[] {
    const listeners = this.#accounts.get(account);
    const connections = listeners?.get(listener);
    const items = connections?.get(connection);
    if (listeners === undefined || connections === undefined || items === undefined) {
      return [];
    }
    connections.delete(connection);
    deleteIfEmpty(listeners, listener);
    deleteIfEmpty(this.#accounts, account);
    this.#length -= items.length;
    return items;
  }

  /** Takes out everything. */
  drain(): T[] {
    const items = [...this.#accounts.values()]
      .flatMap((listeners) => [...listeners.values()])
      .flatMap((connections) => [...connections.values()].flat());
    this.#accounts.clear();
    this.#length = 0;
    return items;
  }
}

function getOrAdd<T>(ring: Ring<T>, name: string, make: () => T): T {
  const found = ring.get(name) ?? make();
  ring.set(name, found);
  return found;
}

function putLast<T>(ring: Ring<T>, [name, value]: readonly [string, T], stays: boolean): void {
  ring.delete(name);
  if (stays) {
    ring.set(name, value);
  }
}

function deleteIfEmpty(ring: Ring<Ring<unknown>>, name: string): void {
  if (ring.get(name)?.size === 0) {
    ring.delete(name);
  }
}
