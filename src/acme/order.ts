// An order, RFC 8555 §7.4: made, read and waited for. Runs in the client.

import { AppError } from '../lib/errors.js';
import { isSameIdentifierSet, type Identifier } from './identifier.js';
import type { HttpResponse } from './transport/http.js';
import { parseBody } from './transport/json.js';
import { orderSchema, type Order } from './objects.js';
import { findRecentOrder } from './order-list.js';
import { poll, type PollResult } from './poll.js';
import { formatProblem, hintFor } from './problem.js';
import { isUndecided } from './transport/retries.js';
import { parseRetryAfter } from './transport/retry-after.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AcmeSession } from './session.js';
import { postSigned } from './transport/signed-post.js';

/** Requests for an order of which nobody knows whether the first ones made any. */
const MAX_ORDER_ATTEMPTS = 3;
const ORDER_PAUSE_MS = 1_000;

/** What has to be known of an order to go on with it; later answers may leave it out. */
export interface OrderUrls {
  readonly url: URL;
  readonly finalize: URL;
  readonly authorizations: readonly URL[];
}

export interface PlacedOrder extends OrderUrls {
  readonly accountUrl: string;
  readonly status: Order['status'];
}

/**
 * Places an order for exactly these identifiers. Where an answer is lost the account's list of
 * orders is asked, where the server has one. Where not, the request is repeated a few times: an
 * order that nobody knows of ends by itself, and authorities hand the same one out again.
 * @throws AppError ACME_INVALID when the server's order is for other names
 */
export async function placeOrder(
  session: AcmeSession,
  accountUrl: string,
  identifiers: readonly Identifier[],
): Promise<PlacedOrder> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await postSigned(session, {
        url: session.directory.newOrder,
        payload: { identifiers },
        accountUrl,
        what: 'new order',
      });
      const location = response.headers.get('location') ?? '';
      const url = parseServerUrl(location, session.directory.url, 'order: location');
      return placedOrder(session, accountUrl, url, readOrder(response), identifiers);
    } catch (error) {
      if (!isUndecided(error) || attempt === MAX_ORDER_ATTEMPTS) {
        throw error;
      }
      await session.timing.sleep(ORDER_PAUSE_MS * attempt);
    }
    const found = await findRecentOrder(session, accountUrl, identifiers);
    if (found !== undefined) {
      return placedOrder(session, accountUrl, found.url, found.order, identifiers);
    }
  }
}

function placedOrder(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
  order: Order,
  identifiers: readonly Identifier[],
): PlacedOrder {
  if (!isOrderFor(order, identifiers)) {
    throw new AppError('ACME_INVALID', 'order: the server made it for other names than requested');
  }
  const directory = session.directory.url;
  const authorizations = (order.authorizations ?? []).map((text) =>
    parseServerUrl(text, directory, 'order: authorization'),
  );
  if (order.status === 'pending' && authorizations.length === 0) {
    throw new AppError('ACME_INVALID', 'order: pending, and names no authorization');
  }
  const finalize = parseServerUrl(order.finalize ?? '', directory, 'order: finalize');
  return { url, accountUrl, status: order.status, finalize, authorizations };
}

/**
 * An order that does not tell its names is the one asked for; the certificate's names are verified
 * in any case.
 */
export function isOrderFor(order: Order, identifiers: readonly Identifier[]): boolean {
  const { identifiers: names } = order;
  return names === null || names === undefined || isSameIdentifierSet(names, identifiers);
}

/** @throws AppError ACME_INVALID */
export function readOrder(response: HttpResponse): Order {
  return parseBody(orderSchema, response, 'order');
}

/** Reads an order as it is now. @param mayLag whether a replica may not know it yet */
export async function fetchOrder(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
  mayLag: boolean,
): Promise<{ readonly order: Order; readonly retryAfterMs: number | undefined }> {
  const what = 'order';
  const response = await postSigned(session, { url, payload: undefined, accountUrl, what, mayLag });
  return { order: readOrder(response), retryAfterMs: retryAfterOf(session, response) };
}

/**
 * Waits until the order has left a state.
 * @param first an answer already at hand
 * @throws AppError ACME_ORDER_FAILED with the server's reason when it became invalid, ACME_TIMEOUT
 */
export async function waitWhile(
  session: AcmeSession,
  placed: Pick<PlacedOrder, 'url' | 'accountUrl'>,
  states: readonly Order['status'][],
  first?: { readonly order: Order; readonly retryAfterMs: number | undefined },
): Promise<Order> {
  const result = ({ order, retryAfterMs }: NonNullable<typeof first>): PollResult<Order> => ({
    value: order,
    isDone: !states.includes(order.status),
    retryAfterMs,
  });
  const order = await poll({
    what: `order: ${states.join(' or ')}`,
    context: session,
    ...(first === undefined ? {} : { first: result(first) }),
    fetch: async () => result(await fetchOrder(session, placed.accountUrl, placed.url, true)),
  });
  if (order.status === 'invalid') {
    throw failedOrder(order);
  }
  return order;
}

export function retryAfterOf(session: AcmeSession, response: HttpResponse): number | undefined {
  return parseRetryAfter(response.headers.get('retry-after'), session.timing.now());
}

function failedOrder(order: Order): AppError {
  const problem = order.error ?? undefined;
  const reason = problem === undefined ? 'the server gives no reason' : formatProblem(problem);
  return new AppError('ACME_ORDER_FAILED', `order: invalid: ${reason}`, {
    hint: problem === undefined ? undefined : hintFor(problem),
  });
}
