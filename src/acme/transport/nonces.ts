// Nonces of one server, RFC 8555 §6.5: kept from answers, fetched when there is none. Runs in
// claviger. Nonces are opaque: one that is not base64url is dropped.

import { isNonce } from '../../jose/nonce.js';
import { AppError } from '../../lib/errors.js';
import type { AcmeHttp, HttpResponse } from './http.js';
import { problemOf } from '../problem.js';
import { readPatiently, type WaitContext } from './retries.js';

const MAX_NONCES = 32;

/** A bounded stock, the newest nonce first out: servers forget old ones. */
export class NoncePool {
  readonly #http: Pick<AcmeHttp, 'request'>;
  readonly #newNonceUrl: URL;
  readonly #context: WaitContext;
  readonly #nonces: string[] = [];
  #prefetched: Promise<void> | undefined;

  constructor(http: Pick<AcmeHttp, 'request'>, newNonceUrl: URL, context: WaitContext) {
    this.#context = context;
    this.#http = http;
    this.#newNonceUrl = newNonceUrl;
  }

  /** Keeps the nonce of an answer; RFC 8555 §6.5.1: one that is not base64url is ignored. */
  offer(response: HttpResponse): void {
    const nonce = response.headers.get('replay-nonce') ?? '';
    if (!isNonce(nonce)) {
      return;
    }
    if (this.#nonces.length === MAX_NONCES) {
      this.#nonces.shift();
    }
    this.#nonces.push(nonce);
  }

  /**
   * Fetches a first nonce in the background; an error is dropped here, as `take` will meet it
   * again.
   */
  prefetch(): void {
    this.#prefetched = this.#replenish().catch(() => undefined);
  }

  /**
   * A nonce nobody has used.
   * @throws AppError ACME_INVALID when the server gives none, and what `AcmeHttp.request` throws
   */
  async take(): Promise<string> {
    await this.#prefetched;
    this.#prefetched = undefined;
    const kept = this.#nonces.pop();
    if (kept !== undefined) {
      return kept;
    }
    await this.#replenish();
    const fetched = this.#nonces.pop();
    if (fetched === undefined) {
      throw new AppError('ACME_INVALID', 'new nonce: the server gave no usable nonce');
    }
    return fetched;
  }

  async #replenish(): Promise<void> {
    this.offer(await readPatiently(this.#context, () => this.#fetch()));
  }

  async #fetch(): Promise<HttpResponse> {
    const response = await this.#http.request({ method: 'HEAD', url: this.#newNonceUrl });
    if (response.status >= 400) {
      throw problemOf('new nonce', response, this.#context.timing.now());
    }
    return response;
  }
}
