// One issuance from account to chain, RFC 8555 §7.4, against injected ports. Runs in the client.
// No file, no key: the CSR comes from outside, the chain goes outside to be verified.

import { AppError, isAppError, messageOf } from '../lib/errors.js';
import { findAccountUrl } from './account.js';
import { proveAuthorization, type ChallengePublisher } from './authorization.js';
import type { Identifier } from './identifier.js';
import { downloadChain, finalizeOrder, placeOrder, waitWhile, type PlacedOrder } from './order.js';
import { parseServerUrl } from './server-url.js';
import type { AcmeSession } from './session.js';

/** Authorizations proved at the same time. */
const MAX_PARALLEL = 16;

export interface IssuancePorts extends ChallengePublisher {
  /** DER of the PKCS #10 request for the certificate key. Asked for once, when it is needed. */
  createCsr(): Promise<Uint8Array>;
}

/**
 * Obtains a certificate for the identifiers.
 * @returns the PEM chain as the server sent it, unverified
 * @throws AppError ACME_* and what the ports and the signer throw
 */
export async function issueCertificate(
  session: AcmeSession,
  identifiers: readonly Identifier[],
  ports: IssuancePorts,
): Promise<string> {
  const accountUrl = await findAccountUrl(session);
  session.report(`ordering a certificate for ${identifiers.map(({ value }) => value).join(', ')}`);
  const placed = await placeOrder(session, accountUrl, identifiers);
  await proveAll(session, placed, ports);
  // After the last authorization a server may take a moment to see that the order is ready.
  const order = await waitWhile(session, placed, ['pending']);
  if (order.status !== 'ready') {
    throw new AppError('ACME_INVALID', `order: ${order.status} before it was finalized`);
  }
  session.report('sending the certificate request');
  const certificateUrl = await finalizeOrder(
    session,
    { ...placed, order },
    await ports.createCsr(),
  );
  session.report('fetching the certificate');
  return await downloadChain(session, accountUrl, certificateUrl);
}

async function proveAll(
  session: AcmeSession,
  placed: PlacedOrder,
  ports: IssuancePorts,
): Promise<void> {
  const urls = placed.order.authorizations.map((text) =>
    parseServerUrl(text, session.directory.url, 'order: authorization'),
  );
  const failures: unknown[] = [];
  const queue = [...urls];
  const worker = async (): Promise<void> => {
    for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
      try {
        await proveAuthorization(session, placed.accountUrl, url, ports);
      } catch (error) {
        failures.push(error); // the others go on, so that one run tells all names that fail
        if (isUnproved(error)) {
          session.report(messageOf(error)); // the others may take long
        }
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL, urls.length) }, worker));
  throwFailures(failures, urls.length);
}

/** A name that was not proved; not the signer gone, an interruption or the end of the time. */
function isUnproved(error: unknown): error is AppError {
  return isAppError(error, 'ACME_ORDER_FAILED');
}

function throwFailures(failures: readonly unknown[], total: number): void {
  const [first] = failures;
  if (failures.length <= 1) {
    if (failures.length === 1) {
      throw first;
    }
    return;
  }
  const other = failures.find((error) => !isUnproved(error));
  const cause = other ?? first;
  const head =
    other === undefined
      ? `order: ${failures.length} of ${total} names were not authorized`
      : messageOf(other);
  // One interruption fails every name that waits: told once.
  const lines = new Set([head, ...failures.map((error) => messageOf(error))]);
  throw new AppError(isAppError(cause) ? cause.code : 'ACME_ORDER_FAILED', [...lines].join('\n'), {
    cause,
    hint: isAppError(cause) ? cause.hint : undefined,
  });
}
