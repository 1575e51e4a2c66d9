// From an order that is ready to the URL of its certificate, RFC 8555 §7.4. Runs in the client. A
// request to finalize may be acted on though its answer is lost: the order tells, and is not lost
// for it.

import { encodeBase64Url } from '../lib/base64url.js';
import { AppError } from '../lib/errors.js';
import { parseOptionalBody } from './transport/json.js';
import { orderSchema, type Order } from './objects.js';
import { fetchOrder, retryAfterOf, waitWhile, type PlacedOrder } from './order.js';
import type { HttpResponse } from './transport/http.js';
import { isProblem } from './problem.js';
import { isUndecided } from './transport/retries.js';
import { parseServerUrl } from './transport/server-url.js';
import type { AcmeSession } from './session.js';
import { postSigned } from './transport/signed-post.js';

const MAX_FINALIZE_ATTEMPTS = 4;
/** What a server may need to see its own order, or to come back after a broken connection. */
const FINALIZE_PAUSE_MS = 500;
/** Looks at an order that is valid and does not name its certificate yet. */
const MAX_CERTIFICATE_LOOKS = 4;

const WAITING: readonly Order['status'][] = ['ready', 'processing'];

/**
 * Sends the CSR and waits for the certificate's URL.
 * @param csr DER of a PKCS #10 request
 * @throws AppError ACME_ORDER_FAILED, ACME_TIMEOUT, ACME_INVALID
 */
export async function finalizeOrder(
  session: AcmeSession,
  placed: PlacedOrder,
  csr: Uint8Array,
): Promise<URL> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const response = await postSigned(session, {
        url: placed.finalize,
        payload: { csr: encodeBase64Url(csr) },
        accountUrl: placed.accountUrl,
        what: 'finalize',
        mayLag: true,
      });
      const first = readAnswer(session, response);
      return await certificateUrl(
        session,
        placed,
        await waitWhile(session, placed, WAITING, first),
      );
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
export async function awaitCertificate(session: AcmeSession, placed: PlacedOrder): Promise<URL> {
  return await certificateUrl(session, placed, await waitWhile(session, placed, ['processing']));
}

/**
 * The order in the answer to finalize; undefined when it tells nothing, and the order is to be
 * asked.
 */
function readAnswer(
  session: AcmeSession,
  response: HttpResponse,
): { readonly order: Order; readonly retryAfterMs: number | undefined } | undefined {
  if (response.body.length === 0) {
    return undefined;
  }
  const order = parseOptionalBody(orderSchema, response, 'order');
  return { order, retryAfterMs: retryAfterOf(session, response) };
}

async function certificateUrl(
  session: AcmeSession,
  placed: PlacedOrder,
  settled: Order,
): Promise<URL> {
  let order = settled;
  const isUnnamed = (): boolean => order.status === 'valid' && (order.certificate ?? '') === '';
  for (let looks = 1; isUnnamed() && looks < MAX_CERTIFICATE_LOOKS; looks += 1) {
    await session.timing.sleep(FINALIZE_PAUSE_MS * looks);
    ({ order } = await fetchOrder(session, placed.accountUrl, placed.url, true));
  }
  if (order.status === 'valid' && !isUnnamed()) {
    return parseServerUrl(order.certificate ?? '', session.directory.url, 'order: certificate');
  }
  throw new AppError(
    'ACME_INVALID',
    `order: ${order.status} after finalizing, without certificate`,
  );
}
