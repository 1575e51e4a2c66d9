// Runs in clavigerd and `clavigerd key`: signs with a private key of this process, on the thread
// that suits the load. A single request is fastest on this thread; many are faster on the threads
// of libuv's pool. The pool works in the order of submission, so it is given only as many requests
// as keep it busy, and clients take turns for these.

import type { KeyObject } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Algorithm } from '../../jose/algorithms.js';
import { signWithKey, signWithKeySync } from '../../jose/signature.js';
import { AppError } from '../../lib/errors.js';
import type { Client, KeySignature, SignContext } from '../account-key.js';
import { FairQueue } from '../fair-queue.js';

/** How long the pool is used after requests overlapped. */
const OVERLAP_MS = 100;
/** Requests of one key in the pool: for each of its four threads one, and one to continue with. */
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
  #overlapUntil = 0;

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
    if (signContext === undefined || !this.#overlap()) {
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

  /** Resolves when the pool has room and it is this client's turn; the room is then taken. */
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
   * True while requests overlap: several in one turn of the event loop, or one while another is
   * being signed.
   */
  #overlap(): boolean {
    if (this.#callsOfTurn === 0) {
      setImmediate(() => {
        this.#callsOfTurn = 0;
      });
    }
    this.#callsOfTurn += 1;
    const now = this.#now();
    if (this.#callsOfTurn > 1 || this.#inPool > 0) {
      this.#overlapUntil = now + OVERLAP_MS;
    }
    return now < this.#overlapUntil;
  }
}

function newSignature(bytes: Buffer, beganAt: number): KeySignature {
  return { bytes, beganAt, reject: doNothing };
}

/** A key of this process has no helper to replace. */
function doNothing(): void {
  return undefined;
}
