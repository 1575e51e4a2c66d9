// The commands of claviger but `renew`, each from configuration to result. Runs in claviger.

import type { X509Certificate } from 'node:crypto';
import { readAccount, registerAccount, type FoundAccount } from '../acme/account.js';
import { parseIdentifiers } from '../acme/identifier.js';
import { revokeCertificate } from '../acme/revocation.js';
import type { AcmeSession } from '../acme/session.js';
import { systemClock } from '../lib/clock.js';
import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { withSession, withSigner, type ClientContext } from './acme-access.js';
import { parseCertificates } from './install/certificate-chain.js';
import { readCertificateFile, readInstalled, warnOfDamage } from './install/certificate-files.js';
import { withCertificateLock } from './renewal/certificate-lock.js';
import { withoutCompromisedKey } from './install/compromised-key.js';
import { issueOne } from './issuance.js';
import { rememberRevocation } from './state/revocation-memory.js';

/** Registers the account key. @returns the lines to print */
export async function registerCommand(context: ClientContext): Promise<readonly string[]> {
  const { contacts, agreeTos } = context.config;
  return await withOwnSession(context, async (session) => {
    const found = await registerAccount(session, { contacts, agreeTermsOfService: agreeTos });
    context.report(found.isNew ? 'registered the account' : 'the account was registered already');
    return describeAccount(session, found);
  });
}

/** Reads the account. @returns the lines to print */
export async function showCommand(context: ClientContext): Promise<readonly string[]> {
  return await withOwnSession(context, async (session) =>
    describeAccount(session, await readAccount(session)),
  );
}

/** A session for a command that needs no other. */
async function withOwnSession<T>(
  context: ClientContext,
  use: (session: AcmeSession) => Promise<T>,
): Promise<T> {
  return await withSigner(context, (signer) => withSession(context, signer, use));
}

function describeAccount(session: AcmeSession, found: FoundAccount): readonly string[] {
  const { signer } = session;
  const contacts = found.account.contact?.map((contact) => printable(contact, 300));
  return [
    `account:    ${printable(found.url)}`,
    `status:     ${found.account.status}`,
    `contact:    ${contacts === undefined ? 'not told' : contacts.join(', ') || 'none'}`,
    `algorithm:  ${signer.algorithm}`,
    `thumbprint: ${signer.thumbprint}`,
  ];
}

/** Issues the certificate named on the command line. */
export async function issueCommand(context: ClientContext, isForced: boolean): Promise<void> {
  const { requested } = context.config;
  if (requested === undefined) {
    throw new AppError('CONFIG_USAGE', 'issue: no names given');
  }
  const identifiers = parseIdentifiers(requested.names);
  await withCertificateLock(context, requested, async () => {
    warnOfDamage(context, await readInstalled(requested));
    const certificate = await withoutCompromisedKey(context, requested);
    await withSigner(context, (signer) =>
      issueOne(context, signer, { certificate, identifiers, isForced }),
    );
  });
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
  await withOwnSession(context, async (session) => {
    const isNow = await revokeCertificate(session, leaf.raw, reason);
    const name = printable(leaf.subjectAltName ?? 'without names', 300);
    context.report(isNow ? `revoked ${path} (${name})` : `${path} was revoked already`);
    if (!(await rememberRevocation(context.state, leaf, reason, systemClock.now()))) {
      context.warn(
        `${path}: that it was revoked could not be remembered; no later run knows it: move a compromised key away, and have the certificate replaced by renew --force`,
      );
    }
  });
}

async function readLeaf(path: string): Promise<X509Certificate> {
  const [leaf] = parseCertificates((await readCertificateFile(path)).toString('latin1'));
  if (leaf === undefined) {
    throw new AppError('CLIENT_CERTIFICATE', `${path}: has no PEM certificate`);
  }
  return leaf;
}
