// One issuance from account to certificate, RFC 8555 §7.4, against injected ports. Runs in the
// client. No file, no key: the CSR comes from outside, the chains go outside to be verified.

import { AppError, isAppError, messageOf } from '../lib/errors.js';
import { findAccountUrl } from './account.js';
import { proveAuthorization, withdrawAnswer, type ChallengePublisher } from './authorization.js';
import { downloadChains } from './certificate-download.js';
import { awaitCertificate, finalizeOrder } from './finalize.js';
import type { Identifier } from './identifier.js';
import { placeOrder, waitWhile, type OrderUrls, type PlacedOrder } from './order.js';
import type { AcmeSession } from './session.js';
import { resumeOrder, type UnfinishedOrder } from './unfinished-order.js';

/** Authorizations proved at the same time. */
const MAX_PARALLEL = 16;

export interface IssuancePorts extends ChallengePublisher {
  /** An order of an earlier run, to go on with if the server still has it. */
  readonly unfinished?: UnfinishedOrder | undefined;
  /**
   * DER of the PKCS #10 request for the certificate key; of an unfinished order the one it has.
   * Asked for once, when it is needed: what has to be kept to use the certificate later is kept by
   * then.
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
  identifiers: readonly Identifier[],
  ports: IssuancePorts,
): Promise<AsyncGenerator<string, void>> {
  const accountUrl = await findAccountUrl(session);
  const placed = await openOrder(session, accountUrl, identifiers, ports);
  const url = await obtainCertificate(session, placed, ports);
  session.report('fetching the certificate');
  return downloadChains(session, accountUrl, url);
}

async function openOrder(
  session: AcmeSession,
  accountUrl: string,
  identifiers: readonly Identifier[],
  ports: IssuancePorts,
): Promise<PlacedOrder> {
  const names = identifiers.map(({ value }) => value).join(', ');
  const { unfinished } = ports;
  const resumed =
    unfinished === undefined
      ? undefined
      : await resumeOrder(session, accountUrl, unfinished, identifiers);
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
  const placed = await placeOrder(session, accountUrl, identifiers);
  ports.onOpened?.(placed);
  return placed;
}

/**
 * An order that is past its proofs asks for none: what the earlier run has published would stay for
 * ever.
 */
async function withdrawAnswers(
  session: AcmeSession,
  { accountUrl, authorizations, status }: PlacedOrder,
  ports: IssuancePorts,
): Promise<void> {
  if (status === 'pending' || ports.withdrawHttp01 === undefined) {
    return;
  }
  const queue = [...authorizations];
  const worker = async (): Promise<void> => {
    for (let url = queue.shift(); url !== undefined; url = queue.shift()) {
      await withdrawAnswer(session, accountUrl, url, ports);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MAX_PARALLEL, queue.length) }, worker));
}

async function obtainCertificate(
  session: AcmeSession,
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

async function proveAll(
  session: AcmeSession,
  placed: PlacedOrder,
  ports: IssuancePorts,
): Promise<void> {
  const urls = placed.authorizations;
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
