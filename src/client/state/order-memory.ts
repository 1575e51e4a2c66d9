// What is remembered of one certificate's orders: one that is not finished, and a certificate that
// could not be used. Runs in claviger. No private key is in it, only the public key of the request,
// by which its private key is recognised.

import * as v from 'valibot';
import type { ServerIdentifier } from '../../x509/identifier.js';
import type { OrderUrls } from '../../acme/order.js';
import { encodeBase64Url, isBase64Url } from '../../lib/base64url.js';
import { formatDateTime, parseDateTime } from '../../lib/date-time.js';
import type { ClientState, StateKind } from './client-state.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/**
 * After that, authorities have dropped an open order, and the certificate of a finished one is not
 * new any more.
 */
const MAX_ORDER_AGE_MS = 3 * DAY_MS;
/**
 * The wait after the first, second, ... certificate in a row that could not be used. Let's Encrypt
 * issues five for the same names a week, and such a cause is rarely removed within hours.
 */
const BACK_OFF_MS = [HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 4 * DAY_MS, 7 * DAY_MS] as const;
const LONGEST_BACK_OFF_MS = 7 * DAY_MS;

const base64Url = v.pipe(v.string(), v.check(isBase64Url, 'must be base64url'));
const time = v.pipe(
  v.string(),
  v.check((text) => parseDateTime(text) !== undefined, 'must be a time'),
);

const ORDER = {
  name: 'order',
  schema: v.object({
    names: v.array(v.string()),
    placed: time,
    url: v.string(),
    finalize: v.string(),
    authorizations: v.array(v.string()),
    /** DER of the request, and of its public key (SubjectPublicKeyInfo). */
    csr: base64Url,
    publicKey: base64Url,
  }),
} as const satisfies StateKind<unknown>;

const FAILURE = {
  name: 'unusable-certificate',
  schema: v.object({
    names: v.array(v.string()),
    count: v.pipe(v.number(), v.integer(), v.minValue(1)),
    reason: v.string(),
    /** No new certificate is ordered before. */
    notBefore: time,
  }),
} as const satisfies StateKind<unknown>;

export type RememberedOrder = v.InferOutput<typeof ORDER.schema>;
interface RememberedFailure extends v.InferOutput<typeof FAILURE.schema> {
  /** True when a new certificate may be ordered again. */
  readonly isOver: boolean;
}

/** What the request of an order was made of, as DER. */
export interface SentRequest {
  readonly csr: Uint8Array;
  readonly publicKey: Uint8Array;
}

interface OrderSubject {
  readonly server: URL;
  /** Path of the certificate's key: the same names may have several certificates. */
  readonly key: string;
  readonly identifiers: readonly ServerIdentifier[];
}

export class OrderMemory {
  readonly #state: ClientState;
  readonly #names: readonly string[];
  readonly #subject: readonly string[];

  constructor(state: ClientState, { server, key, identifiers }: OrderSubject) {
    this.#state = state;
    this.#names = identifiers.map(({ value }) => value);
    this.#subject = [server.href, key, ...[...this.#names].sort()];
  }

  /**
   * The order that was not finished, unless it is too old to be of use. @param now milliseconds
   * since 1970
   */
  async order(now: number): Promise<RememberedOrder | undefined> {
    const order = await this.#state.read(ORDER, this.#subject);
    const age = now - (parseDateTime(order?.placed ?? '') ?? 0);
    return age >= 0 && age < MAX_ORDER_AGE_MS ? order : undefined;
  }

  /** @returns false where nothing can be remembered */
  async keepOrder(order: OrderUrls, request: SentRequest, now: number): Promise<boolean> {
    return await this.#state.write(ORDER, this.#subject, {
      names: [...this.#names],
      placed: formatDateTime(now),
      url: order.url.href,
      finalize: order.finalize.href,
      authorizations: order.authorizations.map(({ href }) => href),
      csr: encodeBase64Url(request.csr),
      publicKey: encodeBase64Url(request.publicKey),
    });
  }

  async forgetOrder(): Promise<void> {
    await this.#state.remove(ORDER, this.#subject);
  }

  /**
   * The last certificate that could not be used; undefined when none is known. @param now
   * milliseconds since 1970
   */
  async failure(now: number): Promise<RememberedFailure | undefined> {
    const failure = await this.#state.read(FAILURE, this.#subject);
    if (failure === undefined) {
      return undefined;
    }
    const restMs = (parseDateTime(failure.notBefore) ?? 0) - now;
    // Further away than any wait: the clock was set back since.
    return { ...failure, isOver: restMs <= 0 || restMs > LONGEST_BACK_OFF_MS };
  }

  /**
   * Remembers a new certificate that could not be used: each one in a row makes the wait longer.
   */
  async noteFailure(reason: string, now: number): Promise<RememberedFailure> {
    const before = await this.#state.read(FAILURE, this.#subject);
    const count = (before?.count ?? 0) + 1;
    const notBefore = formatDateTime(now + (BACK_OFF_MS[count - 1] ?? LONGEST_BACK_OFF_MS));
    const failure = { names: [...this.#names], count, reason, notBefore };
    await this.#state.write(FAILURE, this.#subject, failure);
    return { ...failure, isOver: false };
  }

  async forgetAll(): Promise<void> {
    await this.forgetOrder();
    await this.#state.remove(FAILURE, this.#subject);
  }
}
