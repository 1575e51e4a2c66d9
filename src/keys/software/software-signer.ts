// Runs in the daemon: signs with a key held in this process, on the thread that suits the load. A
// lone client is answered sooner from this thread; many are answered sooner by the threads of
// libuv's pool, which takes work in the order in which it comes: so it is handed no more than keeps
// it busy, and clients take turns.

import type { KeyObject } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Algorithm } from '../../jose/algorithms.js';
import { signWithKey, signWithKeySync } from '../../jose/signature.js';
import { AppError } from '../../lib/errors.js';
import type { Client, KeySignature, SignContext } from '../account-key.js';
import { FairQueue } from '../fair-queue.js';

/** How long the pool is used after requests came together. */
const TOGETHER_MS = 100;
/**
 * Of one key at once in the pool: one for each of its four threads, and one more for each to go on
 * with.
 */
const MAX_IN_POOL = 8;

interface Job {
  readonly begin: () => void;
  readonly cancel: (reason: AppError) => void;
}

export class SoftwareSigner {
  readonly #algorithm: Algorithm;
  readonly #privateKey: KeyObject;
  readonly #now: () => number;
  readonly #queue = new FairQueue<Job>();
  #inPool = 0;
  #callsOfTurn = 0;
  #togetherUntil = 0;

  /** @param now a steady clock, milliseconds; default `performance.now` */
  constructor(
    algorithm: Algorithm,
    privateKey: KeyObject,
    now: () => number = performance.now.bind(performance),
  ) {
    this.#algorithm = algorithm;
    this.#privateKey = privateKey;
    this.#now = now;
  }

  /** Signs a JWS signing input. @throws AppError KEY_CANCELLED */
  async sign(input: Buffer, signContext?: SignContext): Promise<KeySignature> {
    if (signContext === undefined || !this.#comeTogether()) {
      const beganAt = this.#now();
      return newSignature(signWithKeySync(this.#algorithm, this.#privateKey, input), beganAt);
    }
    await this.#turnOf(signContext.client);
    const beganAt = this.#now();
    try {
      return newSignature(await signWithKey(this.#algorithm, this.#privateKey, input), beganAt);
    } finally {
      this.#inPool -= 1;
      this.#queue.shift()?.begin();
    }
  }

  /** Drops the requests of a client that has disconnected, as far as they have not begun. */
  cancel(client: Client): void {
    const gone = new AppError('KEY_CANCELLED', 'the client is gone');
    for (const { cancel } of this.#queue.remove(client)) {
      cancel(gone);
    }
  }

  /** Resolves when the pool has room, and this client's turn has come; the room is taken then. */
  #turnOf(client: Client): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        this.#inPool += 1;
        resolve();
      };
      if (this.#inPool < MAX_IN_POOL) {
        begin();
      } else {
        this.#queue.push(client, { begin, cancel: reject });
      }
    });
  }

  /**
   * True while requests overlap: more than one in a turn of the event loop, or one while one is in
   * hand.
   */
  #comeTogether(): boolean {
    if (this.#callsOfTurn === 0) {
      setImmediate(() => {
        this.#callsOfTurn = 0;
      });
    }
    this.#callsOfTurn += 1;
    const now = this.#now();
    if (this.#callsOfTurn > 1 || this.#inPool > 0) {
      this.#togetherUntil = now + TOGETHER_MS;
    }
    return now < this.#togetherUntil;
  }
}

function newSignature(bytes: Buffer, beganAt: number): KeySignature {
  return { bytes, beganAt, reject: doNothing };
}

/** A key of this process has no helper to replace. */
function doNothing(): void {
  return undefined;
}
