// Places in the queue for the key: as many as the listener may have requests waiting, each taken
// before a line is cut. Runs in the daemon, one for each listener. Whoever finds no place is not
// refused; his request stays where it is, as bytes. A connection takes no more than its share of
// the places, so that one that asks for much at once does not keep its neighbours out.

/** A connection, and what of it is in the queue. */
export interface PlaceHolder {
  requests: number;
  bytes: number;
  /** There may be a place now; asked for, it is given or waited for again. */
  readonly onPlace: () => void;
}

export interface PlaceLimits {
  readonly requests: number;
  /** Of lines; one request that is alone may be longer. */
  readonly bytes: number;
}

/** What a request is counted with, on average: four times what most have. */
const BYTES_PER_REQUEST = 4096;
/**
 * Of lines that wait for a key, in the whole daemon; what is made of them has several times as many
 * bytes.
 */
const MAX_BYTES_IN_ALL = 4 * 1024 * 1024;

/** The places of one of so many listeners. */
export function limitPlaces(maxQueuedRequests: number, listenerCount: number): PlaceLimits {
  const share = Math.floor(MAX_BYTES_IN_ALL / listenerCount);
  return {
    requests: maxQueuedRequests,
    bytes: Math.min(maxQueuedRequests * BYTES_PER_REQUEST, share),
  };
}

export class RequestPlaces {
  readonly #limits: PlaceLimits;
  /** Those who have a place, or wait for one. */
  readonly #active = new Set<PlaceHolder>();
  /** In the order in which they came: who needs much waits no longer than who needs little. */
  readonly #waiting = new Set<PlaceHolder>();
  #requests = 0;
  #bytes = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /**
   * Takes a place for a line of so many bytes. Where that fails, who has places already asks again
   * when he gives one back; who has none is told by `onPlace`.
   */
  tryTake(holder: PlaceHolder, bytes: number): boolean {
    if (holder.requests > 0 && this.#isBeyondShare(holder, bytes)) {
      return false;
    }
    const [first = holder] = this.#waiting;
    this.#active.add(holder);
    if (first !== holder || !this.#hasRoom(bytes)) {
      this.#waiting.add(holder);
      return false;
    }
    this.#waiting.delete(holder);
    this.#add(holder, 1, bytes);
    this.#tellNext();
    return true;
  }

  /** Gives a place back that was taken for a line of so many bytes. */
  release(holder: PlaceHolder, bytes: number): void {
    this.#add(holder, -1, -bytes);
    this.#forgetIdle(holder);
    this.#tellNext();
  }

  /** What gives such a place back, when it is called for the first time. */
  releaser(holder: PlaceHolder, bytes: number): () => void {
    let isHeld = true;
    return () => {
      if (isHeld) {
        isHeld = false;
        this.release(holder, bytes);
      }
    };
  }

  /** Waits no more; what it has it keeps. */
  leave(holder: PlaceHolder): void {
    if (this.#waiting.delete(holder)) {
      this.#forgetIdle(holder);
      this.#tellNext();
    }
  }

  #hasRoom(bytes: number): boolean {
    const { requests: maxRequests, bytes: maxBytes } = this.#limits;
    const fits = this.#requests < maxRequests && this.#bytes + bytes <= maxBytes;
    return fits || this.#requests === 0;
  }

  #isBeyondShare({ requests, bytes }: PlaceHolder, more: number): boolean {
    const share = (limit: number): number => Math.floor(limit / this.#active.size);
    return requests + 1 > share(this.#limits.requests) || bytes + more > share(this.#limits.bytes);
  }

  #add(holder: PlaceHolder, requests: number, bytes: number): void {
    holder.requests += requests;
    holder.bytes += bytes;
    this.#requests += requests;
    this.#bytes += bytes;
  }

  #forgetIdle(holder: PlaceHolder): void {
    if (holder.requests === 0 && !this.#waiting.has(holder)) {
      this.#active.delete(holder);
    }
  }

  #tellNext(): void {
    const [next] = this.#waiting;
    if (next !== undefined && this.#requests < this.#limits.requests) {
      next.onPlace();
    }
  }
}
