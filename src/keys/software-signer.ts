// Runs in the daemon: signs with a key held in this process, on the thread that suits the load. A lone
// client is answered sooner from this thread; many are answered sooner by the threads of libuv's pool.

import type { KeyObject } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Algorithm } from '../jose/algorithms.js';
import { signWithKey, signWithKeySync } from '../jose/signature.js';

/** How long the pool is used after requests came together. */
const TOGETHER_MS = 100;

export class SoftwareSigner {
  readonly #algorithm: Algorithm;
  readonly #privateKey: KeyObject;
  #inFlight = 0;
  #callsOfTurn = 0;
  #togetherUntil = 0;

  constructor(algorithm: Algorithm, privateKey: KeyObject) {
    this.#algorithm = algorithm;
    this.#privateKey = privateKey;
  }

  /** Signs a JWS signing input; gives the signature in JWS form. */
  async sign(input: Buffer): Promise<Buffer> {
    if (!this.#comeTogether()) {
      return signWithKeySync(this.#algorithm, this.#privateKey, input);
    }
    this.#inFlight += 1;
    try {
      return await signWithKey(this.#algorithm, this.#privateKey, input);
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** True while requests overlap: more than one in a turn of the event loop, or one while one is in hand. */
  #comeTogether(): boolean {
    if (this.#callsOfTurn === 0) {
      setImmediate(() => {
        this.#callsOfTurn = 0;
      });
    }
    this.#callsOfTurn += 1;
    const now = performance.now();
    if (this.#callsOfTurn > 1 || this.#inFlight > 0) {
      this.#togetherUntil = now + TOGETHER_MS;
    }
    return now < this.#togetherUntil;
  }
}
