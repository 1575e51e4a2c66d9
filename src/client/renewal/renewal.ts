// Decides whether a certificate is due. Pure; runs in claviger. Times are parts of the lifetime,
// not days: certificates of six days and of a year both exist.

import type { KeyObject, X509Certificate } from 'node:crypto';
import { isSameIdentifierSet } from '../../acme/identifier.js';
import type { ServerIdentifier } from '../../x509/identifier.js';
import type { CertificateConfig } from '../../config/client/certificate.js';
import { isAppError } from '../../lib/errors.js';
import { identifiersOf, validityOf } from '../install/certificate-chain.js';
import type { InstalledFiles } from '../install/certificate-files.js';
import { isKeyOf } from '../install/verify.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Below this lifetime renewal begins at half of it, not at two thirds: retries need days. */
const SHORT_LIFETIME_MS = 10 * DAY_MS;
/** A certificate younger than this part of its lifetime is not due, however often `renew` runs. */
const FRESH_PART = 1 / 4;

export interface RenewalInput {
  /** The certificate files, as far as they can be read. */
  readonly installed: InstalledFiles;
  /** The files that are configured. */
  readonly files: Pick<CertificateConfig, 'cert' | 'chain' | 'fullchain'>;
  /** Undefined when the key file does not exist. */
  readonly privateKey: KeyObject | undefined;
  readonly identifiers: readonly ServerIdentifier[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Milliseconds until the next run. */
  readonly intervalMs: number;
  /** When this certificate was revoked, as far as it is remembered. */
  readonly revokedAt?: string | undefined;
  /** True when the key was revoked as compromised. */
  readonly isKeyCompromised?: boolean;
}

export interface RenewalDecision {
  readonly isDue: boolean;
  /** For people: why it is due, or until when it is not. */
  readonly reason: string;
  /** What has to be changed so that certificates of this lifetime do not expire. */
  readonly warning?: string;
}

export function decideRenewal(input: RenewalInput): RenewalDecision {
  const { installed, privateKey } = input;
  if (installed.damage.length > 0) {
    return due(`a file is damaged: ${installed.damage.join('; ')}`);
  }
  const certificate = (installed.cert ?? installed.fullchain)?.[0];
  if (certificate === undefined) {
    return due('there is no certificate yet');
  }
  const flaw = flawOf(certificate, input);
  if (flaw !== undefined) {
    return due(flaw);
  }
  if (privateKey === undefined || !isKeyOf(certificate, privateKey)) {
    return due('the key is another one than the certificate has');
  }
  if (input.isKeyCompromised === true) {
    return due('its key was revoked as compromised');
  }
  if (!namesMatch(certificate, input.identifiers)) {
    return due('the names have changed');
  }
  if (input.revokedAt !== undefined) {
    return due(`it was revoked on ${input.revokedAt.slice(0, 10)}`);
  }
  return decideByDates(certificate, input);
}

/** A certificate is due when it cannot wait for the next run. */
function decideByDates(
  certificate: X509Certificate,
  { now, intervalMs }: RenewalInput,
): RenewalDecision {
  const { notBefore, notAfter } = validityOf(certificate);
  const lifetime = notAfter - notBefore;
  const reserve = lifetime < SHORT_LIFETIME_MS ? lifetime / 2 : lifetime / 3;
  const renewAt = notAfter - reserve;
  const isFresh = now < notBefore + lifetime * FRESH_PART;
  const canWait = isFresh || now + intervalMs < renewAt;
  const warning = lifetimeWarning(lifetime, intervalMs);
  if (!(now < notAfter)) {
    return { ...due('it has expired'), ...warning };
  }
  if (!canWait) {
    return { ...due(`it expires on ${isoDate(notAfter)}`), ...warning };
  }
  const dueAt = Math.max(renewAt - intervalMs, notBefore + lifetime * FRESH_PART);
  return {
    isDue: false,
    reason: `valid until ${isoDate(notAfter)}, due on ${isoDate(dueAt)}`,
    ...warning,
  };
}

/** With two runs or fewer in a lifetime, a certificate expires when one of them fails. */
function lifetimeWarning(lifetime: number, intervalMs: number): { readonly warning?: string } {
  if (lifetime > 2 * intervalMs) {
    return {};
  }
  const wanted = Math.max(1, Math.floor(lifetime / 4 / HOUR_MS));
  return {
    warning:
      `certificates of ${hours(lifetime)} are too short for a run every ${hours(intervalMs)}: have ` +
      `claviger-renew.timer run every ${wanted} h, and say so with renew-interval = ${wanted * 3600}`,
  };
}

function hours(ms: number): string {
  return `${Math.round(ms / HOUR_MS)} h`;
}

/** Why the files do not belong together, as after an interrupted installation. */
function flawOf(leaf: X509Certificate, { installed, files }: RenewalInput): string | undefined {
  for (const name of ['cert', 'fullchain'] as const) {
    if (files[name] === undefined) {
      continue;
    }
    const [first] = installed[name] ?? [];
    if (first?.raw.equals(leaf.raw) !== true) {
      return `${name} ${first === undefined ? 'has no certificate' : 'has another certificate'}`;
    }
  }
  if (files.chain === undefined) {
    return undefined;
  }
  if (installed.chain === undefined) {
    return 'chain is missing';
  }
  const [issuer] = installed.chain;
  return issuer === undefined || leaf.checkIssued(issuer)
    ? undefined
    : 'chain is of another certificate';
}

function namesMatch(certificate: X509Certificate, wanted: readonly ServerIdentifier[]): boolean {
  try {
    return isSameIdentifierSet(identifiersOf(certificate), wanted);
  } catch (error) {
    if (isAppError(error, 'CLIENT_CERTIFICATE')) {
      return false; // a name of a type that is never requested
    }
    throw error;
  }
}

function due(reason: string): RenewalDecision {
  return { isDue: true, reason };
}

function isoDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ') + ' UTC';
}
