// From an order that is ready to the URL of its certificate, RFC 8555 §7.4. Runs in claviger. The
// server may act on a finalize request although its answer is lost: then the order is read, whose
// status shows what happened, and is not given up.

import { encodeBase64Url } from '../lib/base64url.js';
import { AppError } from '../lib/errors.js';
import { parseOptionalBody } from './transport/json.js';
import { orderSchema, type Order } from './objects.js';
import { fetchOrder, waitWhile, type OrderAnswer, type PlacedOrder } from './order.js';
import type { HttpResponse } from './transport/http.js';
import { isProblem } from './problem.js';
import { isUndecided } from './transport/retries.js';
import { retryAfterOf } from './transport/retry-after.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AccountSession } from './session.js';
import { postAsAccount } from './transport/signed-post.js';

const MAX_FINALIZE_ATTEMPTS = 4;
/** What a server may need to see its own order, or to come back after a broken connection. */
const FINALIZE_PAUSE_MS = 500;
/** Readings of an order that is valid and does not name its certificate yet. */
const MAX_CERTIFICATE_LOOKS = 4;

const WAITING: readonly Order['status'][] = ['ready', 'processing'];

/**
 * Sends the CSR and waits for the certificate's URL.
 * @param csr DER of a PKCS #10 request
 * @throws AppError ACME_ORDER_FAILED, ACME_TIMEOUT, ACME_INVALID
 */
export async function finalizeOrder(
  session: AccountSession,
  placed: PlacedOrder,
  csr: Uint8Array,
): Promise<URL> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await postAsAccount(session, {
        url: placed.finalize,
        payload: { csr: encodeBase64Url(csr) },
        what: 'finalize',
        mayLag: true,
      });
      const first = readAnswer(response, session.timing.now());
      const settled = await waitWhile(session, placed, WAITING, first);
      return await certificateUrl(session, placed, settled);
    } catch (error) {
      const isOpen = isUndecided(error) || isProblem(error, 'orderNotReady');
      if (!isOpen || attempt === MAX_FINALIZE_ATTEMPTS) {
        throw error;
      }
    }
    await session.timing.sleep(FINALIZE_PAUSE_MS * attempt);
    const order = await waitWhile(session, placed, ['pending', 'processing']);
    if (order.status !== 'ready') {
      return await certificateUrl(session, placed, order);
    }
  }
}

/** Waits for the certificate's URL of an order that was sent its CSR before. */
export async function awaitCertificate(session: AccountSession, placed: PlacedOrder): Promise<URL> {
  return await certificateUrl(session, placed, await waitWhile(session, placed, ['processing']));
}

/** The order in the answer to finalize; undefined when the body is empty, and it has to be read. */
function readAnswer(response: HttpResponse, now: number): OrderAnswer | undefined {
  if (response.body.length === 0) {
    return undefined;
  }
  const order = parseOptionalBody(orderSchema, response, 'order');
  return { order, retryAfterMs: retryAfterOf(response, now) };
}

async function certificateUrl(
  session: AccountSession,
  placed: PlacedOrder,
  settled: Order,
): Promise<URL> {
  let order = settled;
  const isUnnamed = (): boolean => order.status === 'valid' && (order.certificate ?? '') === '';
  for (let looks = 1; isUnnamed() && looks < MAX_CERTIFICATE_LOOKS; looks += 1) {
    await session.timing.sleep(FINALIZE_PAUSE_MS * looks);
    ({ order } = await fetchOrder(session, placed.url, true));
  }
  if (order.status === 'valid' && !isUnnamed()) {
    return parseServerUrl(order.certificate ?? '', session.directory.url, 'order: certificate');
  }
  const problem = `${order.status} after finalizing, without certificate`;
  throw new AppError('ACME_INVALID', `order: ${problem}`);
}
