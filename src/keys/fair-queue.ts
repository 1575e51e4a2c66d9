// A queue that serves its clients in turn: one who sends much waits for himself, not others for him. Pure.

export class FairQueue<T> {
  /** Clients that wait, the next one first; none has an empty list. */
  readonly #waiting = new Map<string, T[]>();
  #length = 0;

  /** Items of all clients together. */
  get length(): number {
    return this.#length;
  }

  /** Puts an item behind those of the same client. */
  push(client: string, item: T): void {
    this.#length += 1;
    const items = this.#waiting.get(client);
    if (items === undefined) {
      this.#waiting.set(client, [item]);
    } else {
      items.push(item);
    }
  }

  /** Takes the first item of the client whose turn it is; that client is then the last. */
  shift(): T | undefined {
    const [first] = this.#waiting;
    if (first === undefined) {
      return undefined;
    }
    const [client, items] = first;
    const item = items.shift();
    this.#waiting.delete(client);
    if (items.length > 0) {
      this.#waiting.set(client, items);
    }
    this.#length -= 1;
    return item;
  }

  /** Takes out all items of a client. */
  remove(client: string): T[] {
    const items = this.#waiting.get(client) ?? [];
    this.#waiting.delete(client);
    this.#length -= items.length;
    return items;
  }

  /** Takes out everything. */
  drain(): T[] {
    const items = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    this.#length = 0;
    return items;
  }
}
