// Continues an order that an earlier run did not finish. Runs in claviger. What was remembered of
// it is a hint and not trusted: the server's answer decides whether the order can be used, and a
// new one is placed where it cannot.

import { decodeBase64Url } from '../lib/base64url.js';
import { isAppError } from '../lib/errors.js';
import type { ServerIdentifier } from '../x509/identifier.js';
import { fetchOrder, isOrderFor, type PlacedOrder } from './order.js';
import { isProblem, ServerProblem } from './problem.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AccountSession } from './session.js';

/** What is known of an order between two runs. URLs are the server's, as text. */
export interface UnfinishedOrder {
  readonly url: string;
  readonly finalize: string;
  readonly authorizations: readonly string[];
  /**
   * The request it was or will be finalized with, base64url of its DER. Undefined when the key of
   * the request is not available.
   */
  readonly csr: string | undefined;
}

/** DER of the request that an unfinished order was sent. */
export function csrOf(order: UnfinishedOrder | undefined): Uint8Array | undefined {
  return order?.csr === undefined ? undefined : decodeBase64Url(order.csr);
}

/**
 * The order as it is now; undefined when the server does not know it (any more), it failed, or it
 * was finalized with a request whose key is gone.
 * @throws AppError for failures that do not concern the order: no connection, no time, no signature
 */
export async function resumeOrder(
  session: AccountSession,
  unfinished: UnfinishedOrder,
  identifiers: readonly ServerIdentifier[],
): Promise<PlacedOrder | undefined> {
  try {
    const urlOf = (text: string): URL =>
      parseServerUrl(text, session.directory.url, 'unfinished order');
    const url = urlOf(unfinished.url);
    const { order } = await fetchOrder(session, url, false);
    const isFinalized = order.status === 'processing' || order.status === 'valid';
    const isUsable = order.status !== 'invalid' && !(isFinalized && unfinished.csr === undefined);
    if (!isUsable || !isOrderFor(order, identifiers)) {
      return undefined;
    }
    return {
      url,
      status: order.status,
      finalize: urlOf(order.finalize ?? unfinished.finalize),
      authorizations: (order.authorizations ?? unfinished.authorizations).map(urlOf),
    };
  } catch (error) {
    if (isRefusal(error) || isAppError(error, 'ACME_INVALID')) {
      return undefined;
    }
    throw error;
  }
}

/** Statuses of a server that has not processed the request, and so says nothing about the order. */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);
/** Problem types, of any status, that are about something else than the order. */
const ELSEWHERE = ['badNonce', 'accountDoesNotExist', 'userActionRequired', 'rateLimited'];

/**
 * True when the server refuses a request for its content: the same request would be refused again.
 */
export function isRefusal(error: unknown): error is ServerProblem {
  return (
    error instanceof ServerProblem &&
    error.status < 500 &&
    !PASSING_STATUSES.has(error.status) &&
    !ELSEWHERE.some((name) => isProblem(error, name))
  );
}
