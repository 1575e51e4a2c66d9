// An order, RFC 8555 §7.4: made, waited for, finalized, its certificate fetched. Runs in the client.

import { encodeBase64Url } from '../lib/base64url.js';
import { AppError } from '../lib/errors.js';
import { isSameIdentifierSet, type Identifier } from './identifier.js';
import { isConnectionReset, type HttpResponse } from './http.js';
import { parseBody } from './json.js';
import { orderSchema, type Order } from './objects.js';
import { poll, type PollResult } from './poll.js';
import { formatProblem, hintFor, isProblem } from './problem.js';
import { parseRetryAfter } from './retry-after.js';
import { parseServerUrl } from './server-url.js';
import type { AcmeSession } from './session.js';
import { postSigned } from './signed-post.js';

/** Bytes of a PEM chain. Five certificates of 4096-bit RSA take 12 KiB. */
const MAX_CHAIN_BYTES = 256 * 1024;

const MAX_FINALIZE_ATTEMPTS = 4;
/** What a server may need to see its own order, or to come back after a broken connection. */
const FINALIZE_PAUSE_MS = 500;

export interface PlacedOrder {
  readonly url: URL;
  readonly accountUrl: string;
  readonly order: Order;
}

/**
 * Places an order for exactly these identifiers.
 * @throws AppError ACME_INVALID when the server's order is for other names
 */
export async function placeOrder(
  session: AcmeSession,
  accountUrl: string,
  identifiers: readonly Identifier[],
): Promise<PlacedOrder> {
  const response = await postSigned(session, {
    url: session.directory.newOrder,
    payload: { identifiers },
    accountUrl,
    what: 'new order',
  });
  const location = response.headers.get('location') ?? '';
  const url = parseServerUrl(location, session.directory.url, 'order: location');
  const order = parseBody(orderSchema, response, 'order');
  if (!isSameIdentifierSet(order.identifiers, identifiers)) {
    throw new AppError('ACME_INVALID', 'order: the server made it for other names than requested');
  }
  return { url, accountUrl, order };
}

/**
 * Waits until the order has left a state.
 * @throws AppError ACME_ORDER_FAILED with the server's reason when it became invalid, ACME_TIMEOUT
 */
export async function waitWhile(
  session: AcmeSession,
  placed: PlacedOrder,
  states: readonly Order['status'][],
  first?: PollResult<Order>,
): Promise<Order> {
  const order = await poll({
    what: `order: ${states.join(' or ')}`,
    context: session,
    ...(first === undefined ? {} : { first }),
    fetch: async () => {
      const response = await postSigned(session, {
        url: placed.url,
        payload: undefined,
        accountUrl: placed.accountUrl,
        what: 'order',
      });
      return readOrder(session, response, states);
    },
  });
  if (order.status === 'invalid') {
    throw failedOrder(order);
  }
  return order;
}

function readOrder(
  session: AcmeSession,
  response: HttpResponse,
  states: readonly Order['status'][],
): PollResult<Order> {
  const value = parseBody(orderSchema, response, 'order');
  return {
    value,
    isDone: !states.includes(value.status),
    retryAfterMs: parseRetryAfter(response.headers.get('retry-after'), session.timing.now()),
  };
}

/**
 * Sends the CSR and waits for the certificate's URL.
 * @param csr DER of a PKCS #10 request
 */
export async function finalizeOrder(
  session: AcmeSession,
  placed: PlacedOrder,
  csr: Uint8Array,
): Promise<URL> {
  const order = await sendCsr(session, placed, csr);
  if (order.status !== 'valid' || typeof order.certificate !== 'string') {
    throw new AppError(
      'ACME_INVALID',
      `order: ${order.status} after finalizing, without certificate`,
    );
  }
  return parseServerUrl(order.certificate, session.directory.url, 'order: certificate');
}

/**
 * Finalizes until the order is past it. A connection that breaks may have lost the request or its answer
 * alone: the order tells, and is not lost for it. So does one that says it is not ready yet.
 */
async function sendCsr(session: AcmeSession, placed: PlacedOrder, csr: Uint8Array): Promise<Order> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await postSigned(session, {
        url: parseServerUrl(placed.order.finalize, session.directory.url, 'order: finalize'),
        payload: { csr: encodeBase64Url(csr) },
        accountUrl: placed.accountUrl,
        what: 'finalize',
      });
      const waiting = ['ready', 'processing'] as const;
      return await waitWhile(session, placed, waiting, readOrder(session, response, waiting));
    } catch (error) {
      const isUndecided = isConnectionReset(error) || isProblem(error, 'orderNotReady');
      if (!isUndecided || attempt === MAX_FINALIZE_ATTEMPTS) {
        throw error;
      }
    }
    await session.timing.sleep(FINALIZE_PAUSE_MS * attempt);
    const order = await waitWhile(session, placed, ['pending', 'processing']);
    if (order.status !== 'ready') {
      return order;
    }
  }
}

/**
 * Fetches the certificate chain.
 * @returns PEM as the server sent it: hostile until verified
 */
export async function downloadChain(
  session: AcmeSession,
  accountUrl: string,
  url: URL,
): Promise<string> {
  const response = await postSigned(session, {
    url,
    payload: undefined,
    accountUrl,
    what: 'certificate',
    accept: 'application/pem-certificate-chain', // RFC 8555 §7.4.2
  });
  if (response.body.length > MAX_CHAIN_BYTES) {
    throw new AppError('ACME_INVALID', `certificate: chain is over ${MAX_CHAIN_BYTES} bytes`);
  }
  return response.body.toString('latin1');
}

function failedOrder(order: Order): AppError {
  const problem = order.error ?? undefined;
  const reason = problem === undefined ? 'the server gives no reason' : formatProblem(problem);
  return new AppError('ACME_ORDER_FAILED', `order: invalid: ${reason}`, {
    hint: problem === undefined ? undefined : hintFor(problem),
  });
}
