// One certificate from its configuration to its installed files. Runs in the client's master: it
// has the key, builds the key authorizations, and treats what the CA sends as hostile until
// verified.

import type { X509Certificate } from 'node:crypto';
import { keyAuthorization } from '../acme/challenge.js';
import type { Identifier } from '../acme/identifier.js';
import { issueCertificate } from '../acme/issue.js';
import type { OrderUrls } from '../acme/order.js';
import type { Registration } from '../acme/session.js';
import { isRefusal } from '../acme/unfinished-order.js';
import { outputsOf, type CertificateConfig } from '../config/client/certificate.js';
import type { ClavigerConfig } from '../config/client/config.js';
import { systemClock } from '../lib/clock.js';
import { AppError, isAppError } from '../lib/errors.js';
import { readBundle, withSession, type ClientContext } from './acme-access.js';
import { chooseChain } from './install/chain-choice.js';
import { parseCertificates, type Chain } from './install/certificate-chain.js';
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

export interface IssueOptions {
  /** Orders anew whatever happened before. */
  readonly isForced: boolean;
}

/** One issuance under way. */
interface Work extends IssueOptions {
  readonly context: ClientContext;
  readonly certificate: CertificateConfig;
  readonly identifiers: readonly Identifier[];
  readonly memory: OrderMemory;
  /** An order of an earlier run to go on with. */
  readonly unfinished: RememberedOrder | undefined;
  readonly key: IssuanceKey;
  readonly authorities: readonly X509Certificate[] | undefined;
}

/**
 * Obtains, verifies and installs one certificate. Old files stay untouched on any failure. What can
 * be gone on with by the next run is remembered.
 * @throws AppError of any kind
 */
export async function issueOne(
  context: ClientContext,
  signer: SharedSigner,
  certificate: CertificateConfig,
  identifiers: readonly Identifier[],
  options: IssueOptions = { isForced: false },
): Promise<void> {
  // Whatever can be found wrong here is found before anybody is asked for anything.
  const authorities =
    certificate.caFile === undefined
      ? undefined
      : parseCertificates(await readBundle(certificate.caFile));
  const { server } = context.config;
  const memory = new OrderMemory(context.state, { server, key: certificate.key, identifiers });
  const unfinished = options.isForced
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
  const answers = await openChallengeAnswers(certificate.challenge);
  const { isForced } = options;
  const work = {
    context,
    certificate,
    identifiers,
    memory,
    unfinished,
    key,
    authorities,
    isForced,
  };
  try {
    await installChain(work, await obtainChain(work, signer, answers));
  } catch (error) {
    throw await withOutlook(work, error);
  } finally {
    await answers.close();
  }
}

/**
 * What could not be put in place is not lost where its order is known: the authority gives it out
 * again.
 */
async function withOutlook({ memory }: Work, error: unknown): Promise<unknown> {
  if (
    !isAppError(error, 'CLIENT_INSTALL') ||
    (await memory.order(systemClock.now())) === undefined
  ) {
    return error;
  }
  const outlook = 'the next run goes on from here, without a new order';
  const hint = error.hint === undefined ? outlook : `${error.hint}; ${outlook}`;
  return new AppError(error.code, error.message, { hint, cause: error });
}

async function obtainChain(
  work: Work,
  signer: SharedSigner,
  answers: AnswerPublisher,
): Promise<Chain> {
  const { context, identifiers, unfinished } = work;
  // Made while the signer and the CA are being connected.
  const request = requestFor(work.key, identifiers, unfinished);
  request.catch(() => undefined); // whoever awaits it below gets the error
  let kept: Promise<void> = Promise.resolve();
  let isNew = false;
  try {
    return await withSession(context, signer, async (session) => {
      const sent = await request;
      const registration = registrationOf(context.config);
      const chains = await issueCertificate({ ...session, registration }, identifiers, {
        unfinished: unfinished && { ...unfinished, csr: sent.isKnown ? unfinished.csr : undefined },
        publishHttp01: (token) =>
          answers.publish(token, keyAuthorization(token, session.signer.thumbprint)),
        ...(answers.takeBack && {
          withdrawHttp01: async (token: string) =>
            answers.takeBack?.(token, keyAuthorization(token, session.signer.thumbprint)),
        }),
        beforeOrder: () => assertMayOrder(work),
        onOpened: (order) => {
          isNew = true;
          kept = keepForNextRun(work, order, sent);
          kept.catch(() => undefined);
        },
        createCsr: async () => {
          await kept;
          return sent.csr;
        },
      });
      return await chooseUsable(work, chains, isNew);
    });
  } catch (error) {
    await kept.catch(() => undefined);
    if (isOver(error, isNew)) {
      await work.memory.forgetOrder();
      await dropKey(work.certificate);
    }
    throw error;
  }
}

/** Both, or what is remembered is of no use. */
async function keepForNextRun(work: Work, order: OrderUrls, sent: SentRequest): Promise<void> {
  if (await work.memory.keepOrder(order, sent, systemClock.now())) {
    await keepKey(work.key);
  }
}

/**
 * A certificate that could not be used is no reason to have one after another made: authorities
 * count them.
 */
async function assertMayOrder({ memory, isForced }: Work): Promise<void> {
  const failure = isForced ? undefined : await memory.failure(systemClock.now());
  if (failure !== undefined && !failure.isOver) {
    throw new AppError(
      'CLIENT_CERTIFICATE',
      `certificate: the last one could not be used: ${failure.reason}`,
      { hint: `no new one is ordered before ${failure.notBefore}; --force orders one now` },
    );
  }
}

/** Of the chains the one to install; that there is none is remembered. */
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
    if (!isAppError(error, 'CLIENT_CERTIFICATE')) {
      throw error;
    }
    const reason = error.message.replace(/^certificate: /, '');
    const failure = isNew ? await memory.noteFailure(reason, now) : await memory.failure(now);
    const wait =
      failure === undefined
        ? ''
        : `; the next run looks at this certificate again, and orders no other before ${failure.notBefore}`;
    throw new AppError(error.code, error.message, {
      hint: `${error.hint ?? 'nothing was installed'}${wait}`,
      cause: error,
    });
  }
}

/** True when there is nothing to go on with: the order failed, or the server will not have it. */
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
 * With consent and a contact in the configuration, a server that lost the account, or is new, gets
 * it.
 */
function registrationOf({ agreeTos, contacts }: ClavigerConfig): Registration | undefined {
  return agreeTos && contacts.length > 0 ? { contacts, agreeTermsOfService: true } : undefined;
}
