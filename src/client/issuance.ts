// One certificate from its configuration to its installed files. Runs in claviger, which has the
// server's key and builds the key authorizations. What the CA sends is not trusted: it is installed
// only after it was verified.

import type { X509Certificate } from 'node:crypto';
import { keyAuthorization } from '../acme/challenge.js';
import type { ServerIdentifier } from '../x509/identifier.js';
import { issueCertificate, type IssuancePorts } from '../acme/issue.js';
import type { OrderUrls } from '../acme/order.js';
import type { AcmeSession, Registration } from '../acme/session.js';
import { isRefusal } from '../acme/unfinished-order.js';
import { outputsOf, type CertificateConfig } from '../config/client/certificate.js';
import type { ClavigerConfig } from '../config/client/config.js';
import { systemClock } from '../lib/clock.js';
import { isAppError, rephrase } from '../lib/errors.js';
import { readBundle, withSession, type ClientContext } from './acme-access.js';
import { chooseChain } from './install/chain-choice.js';
import { CertificateError, parseCertificates, type Chain } from './install/certificate-chain.js';
import { certificateFiles } from './install/certificate-files.js';
import type { AnswerPublisher } from './answer/answer-publisher.js';
import { openChallengeAnswers } from './answer/challenge-answers.js';
import { assertInstallable, installFiles } from './install/install.js';
import {
  dropKey,
  keepKey,
  openIssuanceKey,
  requestFor,
  type IssuanceKey,
} from './install/issuance-key.js';
import { OrderMemory, type RememberedOrder, type SentRequest } from './state/order-memory.js';
import type { SharedSigner } from './signer/shared-signer.js';
import { findUnfinishedOrder } from './renewal/unfinished-issuance.js';
import { assertMayOrder, rememberUnusable } from './renewal/unusable-certificate.js';

/** What is to be issued. */
interface Issuance {
  readonly certificate: CertificateConfig;
  readonly identifiers: readonly ServerIdentifier[];
  /** True orders anew, whatever is remembered of earlier orders. */
  readonly isForced: boolean;
}

/** One issuance under way. */
interface Work extends Issuance {
  readonly context: ClientContext;
  readonly memory: OrderMemory;
  /** An order of an earlier run, to be continued. */
  readonly unfinished: RememberedOrder | undefined;
  readonly key: IssuanceKey;
  readonly authorities: readonly X509Certificate[] | undefined;
}

/**
 * Obtains, verifies and installs one certificate. Old files stay as they are on any failure. What
 * the next run can continue is remembered.
 * @throws AppError of any kind
 */
export async function issueOne(
  context: ClientContext,
  signer: SharedSigner,
  issuance: Issuance,
): Promise<void> {
  const work = await prepare(context, issuance);
  const answers = await openChallengeAnswers(issuance.certificate.challenge);
  try {
    await installChain(work, await obtainChain(work, signer, answers));
  } catch (error) {
    throw await withOutlook(work, error);
  } finally {
    await answers.close();
  }
}

/** Everything that can fail on this machine is tried before the signer and the CA are involved. */
async function prepare(context: ClientContext, issuance: Issuance): Promise<Work> {
  const { certificate, identifiers, isForced } = issuance;
  const authorities =
    certificate.caFile === undefined
      ? undefined
      : parseCertificates(await readBundle(certificate.caFile));
  const { server } = context.config;
  const memory = new OrderMemory(context.state, { server, key: certificate.key, identifiers });
  const unfinished = isForced
    ? undefined
    : await findUnfinishedOrder(memory, certificate, systemClock.now());
  const key = await openIssuanceKey(certificate, unfinished);
  await assertInstallable({
    outputs: outputsOf(certificate),
    key: certificate.key,
    isNewKey: key.file !== undefined,
  });
  if (key.file !== undefined && !key.isPending) {
    context.report(`made a new ${key.type} key; it gets its file with the certificate`);
  }
  return { ...issuance, context, memory, unfinished, key, authorities };
}

/** A certificate that could not be installed is not lost while its order is remembered. */
async function withOutlook({ memory }: Work, error: unknown): Promise<unknown> {
  if (
    !isAppError(error, 'CLIENT_INSTALL') ||
    (await memory.order(systemClock.now())) === undefined
  ) {
    return error;
  }
  const outlook = 'the next run goes on from here, without a new order';
  return rephrase(error, {
    hint: error.hint === undefined ? outlook : `${error.hint}; ${outlook}`,
  });
}

async function obtainChain(
  work: Work,
  signer: SharedSigner,
  answers: AnswerPublisher,
): Promise<Chain> {
  const { context, identifiers, unfinished } = work;
  // Made while the signer and the CA are being connected.
  const request = requestFor(work.key, identifiers, unfinished);
  request.catch(() => undefined); // awaited below, where the error is thrown
  const opened = new OpenedOrder(work);
  try {
    return await withSession(context, signer, async (session) => {
      const sent = await request;
      const registration = registrationOf(context.config);
      const chains = await issueCertificate({ ...session, registration }, identifiers, {
        ...challengePorts(session, answers),
        unfinished: unfinished && { ...unfinished, csr: sent.isKnown ? unfinished.csr : undefined },
        beforeOrder: async () => {
          if (!work.isForced) {
            await assertMayOrder(work.memory, systemClock.now());
          }
        },
        onOpened: (order) => {
          opened.remember(order, sent);
        },
        createCsr: async () => {
          await opened.isRemembered;
          return sent.csr;
        },
      });
      return await chooseUsable(work, chains, opened.isNew);
    });
  } catch (error) {
    await opened.isRemembered.catch(() => undefined);
    if (isOver(error, opened.isNew)) {
      await work.memory.forgetOrder();
      await dropKey(work.certificate);
    }
    throw error;
  }
}

/**
 * The order that this run has placed, or will send a new request to; remembered for the next run.
 */
class OpenedOrder {
  readonly #work: Work;
  /** Resolves when order and key are stored; until then no request is sent. */
  isRemembered: Promise<void> = Promise.resolve();
  isNew = false;

  constructor(work: Work) {
    this.#work = work;
  }

  remember(order: OrderUrls, sent: SentRequest): void {
    this.isNew = true;
    this.isRemembered = this.#store(order, sent);
    this.isRemembered.catch(() => undefined); // thrown where it is awaited
  }

  /** The key only with its order: one is of no use without the other. */
  async #store(order: OrderUrls, sent: SentRequest): Promise<void> {
    if (await this.#work.memory.keepOrder(order, sent, systemClock.now())) {
      await keepKey(this.#work.key);
    }
  }
}

function challengePorts(
  { signer }: AcmeSession,
  answers: AnswerPublisher,
): Pick<IssuancePorts, 'publishHttp01' | 'withdrawHttp01'> {
  const answerTo = (token: string): string => keyAuthorization(token, signer.thumbprint);
  return {
    publishHttp01: (token) => answers.publish(token, answerTo(token)),
    ...(answers.takeBack && {
      withdrawHttp01: async (token: string) => answers.takeBack?.(token, answerTo(token)),
    }),
  };
}

/** The chain to install; that none can be used is remembered. */
async function chooseUsable(
  { context, certificate, identifiers, memory, key, authorities }: Work,
  chains: AsyncIterable<string>,
  isNew: boolean,
): Promise<Chain> {
  const now = systemClock.now();
  try {
    return await chooseChain(chains, {
      expected: { privateKey: key.privateKey, identifiers, now, authorities },
      preferred: certificate.preferredChain,
      report: (line) => {
        context.report(line);
      },
    });
  } catch (error) {
    throw error instanceof CertificateError
      ? await rememberUnusable(memory, error, { isNew, now })
      : error;
  }
}

/** True when nothing can be continued: the order failed, or the server refuses it. */
function isOver(error: unknown, isNew: boolean): boolean {
  if (isRefusal(error)) {
    return !(error.status === 404 && isNew);
  }
  return (
    isAppError(error, 'ACME_ORDER_FAILED') ||
    isAppError(error, 'ACME_INVALID') ||
    isAppError(error, 'ACME_UNSUPPORTED')
  );
}

async function installChain(work: Work, chain: Chain): Promise<void> {
  const { context, certificate, memory, key } = work;
  const files = [
    ...(key.file === undefined ? [] : [key.file]),
    ...certificateFiles(certificate, chain),
  ];
  await installFiles(files);
  await memory.forgetAll();
  await dropKey(certificate);
  const [leaf] = chain;
  const paths = files.map(({ path }) => path).join(', ');
  context.report(`installed ${paths}; valid until ${leaf.validTo}`);
}

/**
 * With consent and a contact in the configuration, the key is registered where the server does not
 * know it: it is a new server, or one that has lost its accounts.
 */
function registrationOf({ agreeTos, contacts }: ClavigerConfig): Registration | undefined {
  return agreeTos && contacts.length > 0 ? { contacts, agreeTermsOfService: true } : undefined;
}
