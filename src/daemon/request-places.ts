// The queue for the key has a limited number of places, one for each request; a place is taken
// before a line is read as a request. Runs in clavigerd, one for each listener. A connection that
// gets no place is not refused: its request stays in its stream. No connection may have more than
// its share of the places, so that one with many requests does not keep the others out.

/** A connection, with the number and bytes of its requests in the queue. */
export interface PlaceHolder {
  requests: number;
  bytes: number;
  /** Called when there may be a place: `tryTake` then succeeds, or waits again. */
  readonly onPlace: () => void;
}

interface PlaceLimits {
  readonly requests: number;
  /** Bytes of lines; a single request may be longer when the queue is empty. */
  readonly bytes: number;
}

/** Average size that the limit allows for: four times what most requests have. */
const BYTES_PER_REQUEST = 4096;
/**
 * Bytes of lines that wait for a key, in the whole daemon; parsed, they take several times as many.
 */
const MAX_BYTES_IN_ALL = 4 * 1024 * 1024;

/** The limits of one of `listenerCount` listeners. */
export function limitPlaces(maxQueuedRequests: number, listenerCount: number): PlaceLimits {
  const share = Math.floor(MAX_BYTES_IN_ALL / listenerCount);
  return {
    requests: maxQueuedRequests,
    bytes: Math.min(maxQueuedRequests * BYTES_PER_REQUEST, share),
  };
}

export class RequestPlaces {
  readonly #limits: PlaceLimits;
  /** Connections that have a place, or wait for one. */
  readonly #active = new Set<PlaceHolder>();
  /** In the order in which they came: a long request waits no longer than a short one. */
  readonly #waiting = new Set<PlaceHolder>();
  #requests = 0;
  #bytes = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /**
   * Takes a place for a line of so many bytes. On failure a connection that has places tries again
   * when it returns one; the `onPlace` of one that has none is called.
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
    this.#notifyNext();
    return true;
  }

  /** Returns a place that was taken for a line of so many bytes. */
  release(holder: PlaceHolder, bytes: number): void {
    this.#add(holder, -1, -bytes);
    this.#forgetIdle(holder);
    this.#notifyNext();
  }

  /** A function that returns such a place at its first call. */
  releaser(holder: PlaceHolder, bytes: number): () => void {
    let isHeld = true;
    return () => {
      if (isHeld) {
        isHeld = false;
        this.release(holder, bytes);
      }
    };
  }

  /** Stops waiting; the places it has remain taken. */
  leave(holder: PlaceHolder): void {
    if (this.#waiting.delete(holder)) {
      this.#forgetIdle(holder);
      this.#notifyNext();
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

  #notifyNext(): void {
    const [next] = this.#waiting;
    if (next !== undefined && this.#requests < this.#limits.requests) {
      next.onPlace();
    }
  }
}
