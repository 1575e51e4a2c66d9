// The commands of claviger, each from configuration to result. Runs in the client's master process.

import type { X509Certificate } from 'node:crypto';
import { readAccount, registerAccount, type FoundAccount } from '../acme/account.js';
import { parseIdentifiers, type Identifier } from '../acme/identifier.js';
import { revokeCertificate } from '../acme/revocation.js';
import type { AcmeSession } from '../acme/session.js';
import type { CertificateConfig } from '../config/claviger-certificate.js';
import { systemClock } from '../lib/clock.js';
import { AppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { withSession, type ClientContext } from './acme-access.js';
import { parseCertificates } from './certificate-chain.js';
import { readCertificateFile, readInstalled } from './certificate-files.js';
import { issueOne } from './issuance.js';
import { decideRenewal } from './renewal.js';
import { readServerKey } from './server-key.js';

/** Registers the account key; gives the lines to print. */
export async function registerCommand(context: ClientContext): Promise<readonly string[]> {
  const { contacts, agreeTos } = context.config;
  return await withSession(context, async (session) => {
    const found = await registerAccount(session, { contacts, agreeTermsOfService: agreeTos });
    context.report(found.isNew ? 'registered the account' : 'the account was registered already');
    return describeAccount(session, found);
  });
}

/** Shows the account; gives the lines to print. */
export async function showCommand(context: ClientContext): Promise<readonly string[]> {
  return await withSession(context, async (session) =>
    describeAccount(session, await readAccount(session)),
  );
}

function describeAccount(session: AcmeSession, found: FoundAccount): readonly string[] {
  const { signer } = session;
  const contacts = found.account.contact.map((contact) => printable(contact, 300));
  return [
    `account:    ${printable(found.url)}`,
    `status:     ${found.account.status}`,
    `contact:    ${contacts.length === 0 ? 'none' : contacts.join(', ')}`,
    `algorithm:  ${signer.algorithm}`,
    `thumbprint: ${signer.thumbprint}`,
  ];
}

/** Issues the certificate named on the command line. */
export async function issueCommand(context: ClientContext): Promise<void> {
  const { requested } = context.config;
  if (requested === undefined) {
    throw new AppError('CONFIG_USAGE', 'issue: no names given');
  }
  await issueOne(context, requested, parseIdentifiers(requested.names));
}

/**
 * Revokes a certificate.
 * @param reason a CRLReason code of RFC 5280 §5.3.1
 */
export async function revokeCommand(
  context: ClientContext,
  path: string,
  reason: number | undefined,
): Promise<void> {
  const leaf = await readLeaf(path);
  await withSession(context, async (session) => {
    const isNow = await revokeCertificate(session, leaf.raw, reason);
    const name = printable(leaf.subjectAltName ?? 'without names', 300);
    context.report(isNow ? `revoked ${path} (${name})` : `${path} was revoked already`);
  });
}

async function readLeaf(path: string): Promise<X509Certificate> {
  const [leaf] = parseCertificates((await readCertificateFile(path)).toString('latin1'));
  if (leaf === undefined) {
    throw new AppError('CLIENT_CERTIFICATE', `${path}: has no PEM certificate`);
  }
  return leaf;
}

export interface RenewOptions {
  readonly isForced: boolean;
  /** Told of each certificate that failed; the others go on. */
  onFailure(error: unknown): void;
}

/**
 * Issues each configured certificate that is due.
 * @returns how many failed
 */
export async function renewCommand(context: ClientContext, options: RenewOptions): Promise<number> {
  const { certificates } = context.config;
  if (certificates.length === 0) {
    throw new AppError('CONFIG_INVALID', 'renew: no certificate is configured', {
      hint: 'add a [[certificate]] section to claviger.toml, see claviger.toml(5)',
    });
  }
  const work = parseAllNames(certificates);
  let failures = 0;
  for (const [certificate, identifiers] of work) {
    context.signal.throwIfAborted();
    try {
      await renewOne(context, options, certificate, identifiers);
    } catch (error) {
      context.signal.throwIfAborted();
      failures += 1;
      options.onFailure(error);
    }
  }
  return failures;
}

/** Names that can be none are told before the first order, all of them. */
function parseAllNames(
  certificates: readonly CertificateConfig[],
): readonly (readonly [CertificateConfig, readonly Identifier[]])[] {
  const problems: string[] = [];
  const work = certificates.map((certificate, at): [CertificateConfig, readonly Identifier[]] => {
    try {
      return [certificate, parseIdentifiers(certificate.names)];
    } catch (error) {
      problems.push(`certificate ${at + 1}: ${messageOf(error)}`);
      return [certificate, []];
    }
  });
  if (problems.length > 0) {
    throw new AppError('CONFIG_INVALID', problems.join('\n'));
  }
  return work;
}

async function renewOne(
  context: ClientContext,
  options: RenewOptions,
  certificate: CertificateConfig,
  identifiers: readonly Identifier[],
): Promise<void> {
  const name = identifiers[0]?.value ?? '';
  const decision = decideRenewal({
    installed: await readInstalled(certificate),
    files: certificate,
    privateKey: await readServerKey(certificate.key),
    identifiers,
    now: systemClock.now(),
  });
  if (!decision.isDue && !options.isForced) {
    context.report(`${name}: ${decision.reason}`);
    return;
  }
  context.report(`${name}: renewing: ${decision.isDue ? decision.reason : 'asked to'}`);
  await issueOne(context, certificate, identifiers);
}
