// Group commit: items that are added in one turn of the event loop share one write, and the promise
// of each settles with that write. Runs in clavigerd, for the log, the audit log and the budget
// ledger. It knows nothing of files; what it is given to write with decides what "written" means.

/** One item of a group that is being written. */
export interface GroupItem<Item> {
  readonly item: Item;
  /** Fails this item alone; the rest of its group is not affected. */
  readonly reject: (error: unknown) => void;
}

/**
 * Writes a group, in the order in which the items were added. What it throws, or rejects with,
 * fails every item of the group.
 */
type WriteGroup<Item> = (group: readonly GroupItem<Item>[]) => Promise<void> | undefined;

interface GroupCommitOptions {
  /**
   * True: items that are added while a write runs wait for its end, and then share the next one.
   */
  readonly isSerial?: boolean;
}

interface WaitingItem<Item> extends GroupItem<Item> {
  readonly resolve: () => void;
}

export class GroupCommit<Item> {
  readonly #write: WriteGroup<Item>;
  readonly #isSerial: boolean;
  #waiting: WaitingItem<Item>[] = [];
  /** The write that runs, where writes are serial. Never rejects. */
  #running: Promise<void> | undefined;

  constructor(write: WriteGroup<Item>, { isSerial = false }: GroupCommitOptions = {}) {
    this.#write = write;
    this.#isSerial = isSerial;
  }

  /**
   * Resolves when the item is written; rejects with what the write failed with.
   * @param isAlone true writes at once: no other request is being served, so that nothing is gained
   *   by waiting for the end of the turn, which takes some 50 microseconds.
   */
  add(item: Item, isAlone = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (isAlone) {
        this.flush();
      } else if (this.#waiting.length === 1) {
        setImmediate(() => {
          this.flush();
        });
      }
    });
  }

  /** Writes what waits now, unless a serial write runs: that is followed by the next one anyway. */
  flush(): void {
    const group = this.#waiting;
    if (group.length === 0 || this.#running !== undefined) {
      return;
    }
    this.#waiting = [];
    let written: Promise<void> | undefined;
    try {
      written = this.#write(group);
    } catch (error) {
      rejectAll(group, error);
      return;
    }
    if (written === undefined) {
      resolveAll(group);
    } else {
      this.#settleAfter(written, group);
    }
  }

  /** Resolves when nothing waits and no serial write runs. */
  async whenIdle(): Promise<void> {
    this.flush();
    while (this.#running !== undefined) {
      await this.#running;
    }
  }

  #settleAfter(written: Promise<void>, group: readonly WaitingItem<Item>[]): void {
    const ended = written.then(
      () => {
        resolveAll(group);
      },
      (error: unknown) => {
        rejectAll(group, error);
      },
    );
    if (this.#isSerial) {
      this.#running = ended.then(() => {
        this.#running = undefined;
        this.flush();
      });
    }
  }
}

function resolveAll(group: readonly WaitingItem<unknown>[]): void {
  for (const { resolve } of group) {
    resolve(); // has no effect on an item that the write has rejected
  }
}

function rejectAll(group: readonly WaitingItem<unknown>[], error: unknown): void {
  for (const { reject } of group) {
    reject(error);
  }
}
