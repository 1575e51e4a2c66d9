// Whether a certificate is due. Pure; runs in the client's master.
// Relative to the lifetime, not in days: certificates of six days and of a year both exist.

import type { KeyObject, X509Certificate } from 'node:crypto';
import { isSameIdentifierSet, type Identifier } from '../acme/identifier.js';
import { isAppError } from '../lib/errors.js';
import { identifiersOf, validityOf } from './certificate-chain.js';
import { isKeyOf } from './verify.js';

const DAY_MS = 86_400_000;
/** Below this lifetime half of it is kept in reserve, not a third: retries need days, not hours. */
const SHORT_LIFETIME_MS = 10 * DAY_MS;

export interface RenewalInput {
  /** The leaf installed now; undefined when there is none, or none that can be read. */
  readonly certificate: X509Certificate | undefined;
  /** Undefined when the key file does not exist. */
  readonly privateKey: KeyObject | undefined;
  readonly identifiers: readonly Identifier[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

export interface RenewalDecision {
  readonly isDue: boolean;
  /** For people: why it is due, or until when it is not. */
  readonly reason: string;
}

export function decideRenewal(input: RenewalInput): RenewalDecision {
  const { certificate, privateKey, now } = input;
  if (certificate === undefined) {
    return due('there is no certificate yet');
  }
  if (privateKey === undefined || !isKeyOf(certificate, privateKey)) {
    return due('the key is another one than the certificate has');
  }
  if (!namesMatch(certificate, input.identifiers)) {
    return due('the names have changed');
  }
  const { notBefore, notAfter } = validityOf(certificate);
  const lifetime = notAfter - notBefore;
  const reserve = lifetime < SHORT_LIFETIME_MS ? lifetime / 2 : lifetime / 3;
  const renewAt = notAfter - reserve;
  if (!(now < renewAt)) {
    return due(now < notAfter ? `it expires on ${isoDate(notAfter)}` : 'it has expired');
  }
  return {
    isDue: false,
    reason: `valid until ${isoDate(notAfter)}, due on ${isoDate(renewAt)}`,
  };
}

function namesMatch(certificate: X509Certificate, wanted: readonly Identifier[]): boolean {
  try {
    return isSameIdentifierSet(identifiersOf(certificate), wanted);
  } catch (error) {
    if (isAppError(error, 'CLIENT_CERTIFICATE')) {
      return false; // a name of a kind that is never asked for
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
