// An order, RFC 8555 §7.4: placed, read and waited for. Runs in claviger. The server is not
// trusted: an order for other names than were asked for is refused.

import { AppError } from '../lib/errors.js';
import { isSameIdentifierSet } from './identifier.js';
import type { ServerIdentifier } from '../x509/identifier.js';
import { parseBody } from './transport/json.js';
import { orderSchema, type Order } from './objects.js';
import { findRecentOrder } from './order-list.js';
import { poll, type PollResult } from './poll.js';
import { formatProblem, hintFor } from './problem.js';
import { isUndecided } from './transport/retries.js';
import { retryAfterOf } from './transport/retry-after.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AccountSession } from './session.js';
import { postAsAccount, readResource } from './transport/signed-post.js';

/** Requests for one order while it is not known whether the server acted on the ones before. */
const MAX_ORDER_ATTEMPTS = 3;
const ORDER_PAUSE_MS = 1_000;

/** What has to be known of an order to continue it; later answers may leave it out. */
export interface OrderUrls {
  readonly url: URL;
  readonly finalize: URL;
  readonly authorizations: readonly URL[];
}

export interface PlacedOrder extends OrderUrls {
  readonly status: Order['status'];
}

/** An order as an answer has it, and what the answer asks to wait. */
export interface OrderAnswer {
  readonly order: Order;
  readonly retryAfterMs: number | undefined;
}

/**
 * Places an order for exactly these identifiers. Where an answer is lost, the order is looked for
 * in the account's list of orders, if the server has one; otherwise the request is repeated a few
 * times: an order that nobody uses expires, and authorities return the same one again.
 * @throws AppError ACME_INVALID when the server's order is for other names
 */
export async function placeOrder(
  session: AccountSession,
  identifiers: readonly ServerIdentifier[],
): Promise<PlacedOrder> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await requestOrder(session, identifiers);
    } catch (error) {
      if (!isUndecided(error) || attempt === MAX_ORDER_ATTEMPTS) {
        throw error;
      }
      await session.timing.sleep(ORDER_PAUSE_MS * attempt);
    }
    const found = await findRecentOrder(session, identifiers);
    if (found !== undefined) {
      return placedOrder(session.directory.url, found.url, found.order);
    }
  }
}

async function requestOrder(
  session: AccountSession,
  identifiers: readonly ServerIdentifier[],
): Promise<PlacedOrder> {
  const directory = session.directory.url;
  const response = await postAsAccount(session, {
    url: session.directory.newOrder,
    payload: { identifiers },
    what: 'new order',
  });
  const url = parseServerUrl(response.headers.get('location') ?? '', directory, 'order: location');
  const order = parseBody(orderSchema, response, 'order');
  if (!isOrderFor(order, identifiers)) {
    throw new AppError('ACME_INVALID', 'order: the server made it for other names than requested');
  }
  return placedOrder(directory, url, order);
}

function placedOrder(directory: URL, url: URL, order: Order): PlacedOrder {
  const authorizations = (order.authorizations ?? []).map((text) =>
    parseServerUrl(text, directory, 'order: authorization'),
  );
  if (order.status === 'pending' && authorizations.length === 0) {
    throw new AppError('ACME_INVALID', 'order: pending, and names no authorization');
  }
  const finalize = parseServerUrl(order.finalize ?? '', directory, 'order: finalize');
  return { url, status: order.status, finalize, authorizations };
}

/**
 * An order that does not list its names counts as the one asked for; the certificate's names are
 * verified in any case.
 */
export function isOrderFor(order: Order, identifiers: readonly ServerIdentifier[]): boolean {
  const { identifiers: names } = order;
  return names === null || names === undefined || isSameIdentifierSet(names, identifiers);
}

/** Reads an order as it is now. @param mayLag whether a replica may not know it yet */
export async function fetchOrder(
  session: AccountSession,
  url: URL,
  mayLag: boolean,
): Promise<OrderAnswer> {
  const { value, response } = await readResource(session, orderSchema, {
    url,
    what: 'order',
    mayLag,
  });
  return { order: value, retryAfterMs: retryAfterOf(response, session.timing.now()) };
}

/**
 * Waits until the order has left a state.
 * @param first an answer already at hand
 * @throws AppError ACME_ORDER_FAILED with the server's reason when it became invalid, ACME_TIMEOUT
 */
export async function waitWhile(
  session: AccountSession,
  placed: Pick<PlacedOrder, 'url'>,
  states: readonly Order['status'][],
  first?: OrderAnswer,
): Promise<Order> {
  const result = ({ order, retryAfterMs }: OrderAnswer): PollResult<Order> => ({
    value: order,
    isDone: !states.includes(order.status),
    retryAfterMs,
  });
  const order = await poll({
    what: `order: ${states.join(' or ')}`,
    context: session,
    ...(first === undefined ? {} : { first: result(first) }),
    fetch: async () => result(await fetchOrder(session, placed.url, true)),
  });
  if (order.status === 'invalid') {
    throw failedOrder(order);
  }
  return order;
}

function failedOrder(order: Order): AppError {
  const problem = order.error ?? undefined;
  const reason = problem === undefined ? 'the server gives no reason' : formatProblem(problem);
  return new AppError('ACME_ORDER_FAILED', `order: invalid: ${reason}`, {
    hint: problem === undefined ? undefined : hintFor(problem),
  });
}
