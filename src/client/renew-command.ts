// `claviger renew`: issues each configured certificate that is due, one after another. Runs in
// claviger. One that fails does not stop the others.

import { createPublicKey } from 'node:crypto';
import { parseIdentifiers } from '../acme/identifier.js';
import type { ServerIdentifier } from '../x509/identifier.js';
import type { CertificateConfig } from '../config/client/certificate.js';
import { systemClock } from '../lib/clock.js';
import { AppError, isAppError, messageOf, rephrase } from '../lib/errors.js';
import { withSigner, type ClientContext } from './acme-access.js';
import { withCertificateLock } from './renewal/certificate-lock.js';
import { readInstalled, warnOfDamage } from './install/certificate-files.js';
import { withoutCompromisedKey } from './install/compromised-key.js';
import { issueOne } from './issuance.js';
import { decideRenewal } from './renewal/renewal.js';
import { isCompromised, revocationOf } from './state/revocation-memory.js';
import { readServerKey } from './install/server-key.js';
import type { SharedSigner } from './signer/shared-signer.js';

interface RenewOptions {
  /** Only the sections that have one of these names; none for all. */
  readonly names: readonly string[];
  readonly isForced: boolean;
  /**
   * Called for each certificate that failed; its message begins with the certificate's first name.
   */
  onFailure(error: Error): void;
}

interface Work {
  readonly certificate: CertificateConfig;
  readonly identifiers: readonly ServerIdentifier[];
  /** The first name. */
  readonly name: string;
}

/**
 * Issues each configured certificate that is due, with one connection to the signer.
 * @returns how many failed
 */
export async function renewCommand(context: ClientContext, options: RenewOptions): Promise<number> {
  const { certificates } = context.config;
  if (certificates.length === 0) {
    throw new AppError('CONFIG_INVALID', 'renew: no certificate is configured', {
      hint: 'add a [[certificate]] section to claviger.toml, see claviger.toml(5)',
    });
  }
  const list = chosen(certificates.map(workOf), options.names);
  return await withSigner(context, async (signer) => {
    let failures = 0;
    for (const work of list) {
      context.signal.throwIfAborted();
      try {
        await renewOne(context, signer, work, options.isForced);
      } catch (error) {
        context.signal.throwIfAborted();
        failures += 1;
        options.onFailure(nameFailure(work.name, error));
      }
    }
    return failures;
  });
}

function workOf(certificate: CertificateConfig): Work {
  const identifiers = parseIdentifiers(certificate.names);
  return { certificate, identifiers, name: identifiers[0]?.value ?? '' };
}

/** @throws AppError CONFIG_USAGE for a name that no section has */
function chosen(list: readonly Work[], names: readonly string[]): readonly Work[] {
  const wanted = names.length === 0 ? [] : parseIdentifiers(names);
  const has = ({ identifiers }: Work, name: ServerIdentifier): boolean =>
    identifiers.some(({ type, value }) => type === name.type && value === name.value);
  const unknown = wanted.find((name) => !list.some((work) => has(work, name)));
  if (unknown !== undefined) {
    const problem = `renew: no [[certificate]] section has the name ${unknown.value}`;
    throw new AppError('CONFIG_USAGE', problem, {
      hint: `the sections are of ${list.map(({ name }) => name).join(', ')}; issue makes a certificate without a section`,
    });
  }
  return wanted.length === 0 ? list : list.filter((work) => wanted.some((name) => has(work, name)));
}

async function renewOne(
  context: ClientContext,
  signer: SharedSigner,
  { certificate, identifiers, name }: Work,
  isForced: boolean,
): Promise<void> {
  const installed = await readInstalled(certificate);
  const privateKey = await readServerKey(certificate.key);
  const leaf = (installed.cert ?? installed.fullchain)?.[0];
  const { state } = context;
  const decision = decideRenewal({
    installed,
    files: certificate,
    privateKey,
    identifiers,
    now: systemClock.now(),
    intervalMs: context.config.renewIntervalMs,
    revokedAt: leaf && (await revocationOf(state, leaf)),
    isKeyCompromised:
      privateKey !== undefined && (await isCompromised(state, createPublicKey(privateKey))),
  });
  if (decision.warning !== undefined) {
    context.warn(`${name}: ${decision.warning}`);
  }
  warnOfDamage(context, installed);
  if (!decision.isDue && !isForced) {
    context.report(`${name}: ${decision.reason}`);
    return;
  }
  context.report(`${name}: renewing: ${decision.isDue ? decision.reason : 'asked to'}`);
  await withCertificateLock(context, certificate, async () => {
    const wanted = await withoutCompromisedKey(context, certificate);
    await issueOne(context, signer, { certificate: wanted, identifiers, isForced });
  });
}

/** The message with the certificate's name: with --quiet nothing else names it. */
function nameFailure(name: string, error: unknown): Error {
  const message = messageOf(error);
  const named = message.startsWith(`${name}: `) ? message : `${name}: ${message}`;
  return isAppError(error)
    ? rephrase(error, { message: named })
    : new Error(named, { cause: error });
}
