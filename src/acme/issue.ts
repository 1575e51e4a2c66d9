// One issuance from account to certificate, RFC 8555 §7.4, against injected ports. Runs in
// claviger. It uses no file and no key: the caller makes the CSR, and verifies the chains.

import { AppError, isAppError, messageOf } from '../lib/errors.js';
import { openAccount } from './account.js';
import { proveAuthorization, withdrawAnswer, type ChallengePublisher } from './authorization.js';
import { downloadChains } from './certificate-download.js';
import { awaitCertificate, finalizeOrder } from './finalize.js';
import type { ServerIdentifier } from '../x509/identifier.js';
import { placeOrder, waitWhile, type OrderUrls, type PlacedOrder } from './order.js';
import type { AccountSession, AcmeSession } from './session.js';
import { resumeOrder, type UnfinishedOrder } from './unfinished-order.js';

/** Authorizations proved at the same time. */
const MAX_PARALLEL = 16;

export interface IssuancePorts extends ChallengePublisher {
  /** An order of an earlier run, to be continued if the server still has it. */
  readonly unfinished?: UnfinishedOrder | undefined;
  /**
   * DER of the PKCS #10 request for the certificate key; of an unfinished order the request it has.
   * Called once, when the request is sent: by then the caller has stored what the certificate will
   * need.
   */
  createCsr(): Promise<Uint8Array>;
  /** Called before a new order is placed; may refuse it by throwing. */
  beforeOrder?(): void | Promise<void>;
  /** Called with an order that is to be sent a new request, to remember both. */
  onOpened?(order: OrderUrls): void;
}

/**
 * Obtains a certificate for the identifiers.
 * @returns the PEM chains as the server sent them, unverified: its own choice, then those it offers
 *   beside
 * @throws AppError ACME_* and what the ports and the signer throw
 */
export async function issueCertificate(
  session: AcmeSession,
  identifiers: readonly ServerIdentifier[],
  ports: IssuancePorts,
): Promise<AsyncGenerator<string, void>> {
  const opened = await openAccount(session);
  const placed = await openOrder(opened, identifiers, ports);
  const url = await obtainCertificate(opened, placed, ports);
  session.report('fetching the certificate');
  return downloadChains(opened, url);
}

async function openOrder(
  session: AccountSession,
  identifiers: readonly ServerIdentifier[],
  ports: IssuancePorts,
): Promise<PlacedOrder> {
  const names = identifiers.map(({ value }) => value).join(', ');
  const { unfinished } = ports;
  const resumed =
    unfinished === undefined ? undefined : await resumeOrder(session, unfinished, identifiers);
  if (resumed !== undefined) {
    if (unfinished?.csr === undefined) {
      ports.onOpened?.(resumed);
    }
    session.report(`going on with the order of an earlier run for ${names}`);
    await withdrawAnswers(session, resumed, ports);
    return resumed;
  }
  await ports.beforeOrder?.();
  session.report(`ordering a certificate for ${names}`);
  const placed = await placeOrder(session, identifiers);
  ports.onOpened?.(placed);
  return placed;
}

/**
 * Removes the answers of the earlier run from an order that needs no proof any more: nothing later
 * in this run would.
 */
async function withdrawAnswers(
  session: AccountSession,
  { authorizations, status }: PlacedOrder,
  ports: IssuancePorts,
): Promise<void> {
  if (status === 'pending' || ports.withdrawHttp01 === undefined) {
    return;
  }
  await forEachParallel(authorizations, (url) => withdrawAnswer(session, url, ports));
}

async function obtainCertificate(
  session: AccountSession,
  placed: PlacedOrder,
  ports: IssuancePorts,
): Promise<URL> {
  if (ports.unfinished !== undefined && isFinalized(placed)) {
    return await awaitCertificate(session, placed);
  }
  let { status } = placed;
  if (status === 'pending') {
    await proveAll(session, placed, ports);
    // After the last authorization a server may take a moment to see that the order is ready.
    ({ status } = await waitWhile(session, placed, ['pending']));
  }
  if (status !== 'ready') {
    throw new AppError('ACME_INVALID', `order: ${status} before it was finalized`);
  }
  session.report('sending the certificate request');
  return await finalizeOrder(session, placed, await ports.createCsr());
}

function isFinalized({ status }: PlacedOrder): boolean {
  return status === 'processing' || status === 'valid';
}

/**
 * Proves all names; one that fails does not stop the others, so that one run shows all failures.
 */
async function proveAll(
  session: AccountSession,
  { authorizations }: PlacedOrder,
  ports: IssuancePorts,
): Promise<void> {
  const failures: unknown[] = [];
  await forEachParallel(authorizations, async (url) => {
    try {
      await proveAuthorization(session, url, ports);
    } catch (error) {
      failures.push(error);
      if (isUnproved(error)) {
        session.report(messageOf(error)); // at once: the others may take long
      }
    }
  });
  throwFailures(failures, authorizations.length);
}

/** Runs `act` for each URL, for `MAX_PARALLEL` of them at the same time. */
async function forEachParallel(
  urls: readonly URL[],
  act: (url: URL) => Promise<void>,
): Promise<void> {
  const queue = [...urls];
  const worker = async (): Promise<void> => {
    for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
      await act(url);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL, urls.length) }, worker));
}

/** A name that was not proved; false for a lost signer, an interruption or the end of the time. */
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
  // An interruption fails every name that waits, with the same message: it is shown once.
  const lines = new Set([head, ...failures.map((error) => messageOf(error))]);
  throw new AppError(isAppError(cause) ? cause.code : 'ACME_ORDER_FAILED', [...lines].join('\n'), {
    cause,
    hint: isAppError(cause) ? cause.hint : undefined,
  });
}
