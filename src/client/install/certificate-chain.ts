// Certificates in PEM, from the CA or from a file, to typed values. Pure; runs in claviger. Nothing
// here is verified but the form.

import { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { compressIpv6 } from '../../acme/identifier.js';
import type { ServerIdentifier } from '../../x509/identifier.js';
import { AppError, messageOf, type AppErrorOptions } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';

const MAX_CHAIN_LENGTH = 10;
const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;

export type Chain = readonly [X509Certificate, ...X509Certificate[]];

/** A certificate or chain that cannot be used, and why: `certificate: problem`. */
export class CertificateError extends AppError {
  /** Without its subject. */
  readonly problem: string;

  constructor(problem: string, options: AppErrorOptions = {}) {
    super('CLIENT_CERTIFICATE', `certificate: ${problem}`, options);
    this.problem = problem;
  }
}

/**
 * A chain as RFC 8555 §9.1 has it: certificates and white space, nothing else, the leaf first.
 * @throws CertificateError
 */
export function parseChain(pem: string): Chain {
  if (pem.replace(BLOCK, '').trim() !== '') {
    throw new CertificateError('the chain holds more than certificates');
  }
  const [leaf, ...issuers] = parseCertificates(pem);
  if (leaf === undefined || issuers.length >= MAX_CHAIN_LENGTH) {
    const count = leaf === undefined ? 'no certificate' : `${issuers.length + 1} certificates`;
    throw new CertificateError(`the chain has ${count}`);
  }
  return [leaf, ...issuers];
}

/**
 * Every certificate of a PEM text, whatever stands between them.
 * @throws CertificateError for one that cannot be decoded
 */
export function parseCertificates(pem: string): readonly X509Certificate[] {
  try {
    return [...pem.matchAll(BLOCK)].map(([block]) => new X509Certificate(block));
  } catch (error) {
    throw new CertificateError(`not readable: ${messageOf(error)}`, { cause: error });
  }
}

/** PEM encoded from the parsed certificates: no byte of the CA's own text gets into a file. */
export function formatCertificates(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => certificate.toString()).join('');
}

/**
 * The subjectAltName of a certificate.
 * @throws CertificateError when it holds anything but DNS names and IP addresses
 */
export function identifiersOf(certificate: X509Certificate): readonly ServerIdentifier[] {
  // Node quotes a name with unusual characters as JSON: a name with a comma stays one entry.
  const entries = certificate.subjectAltName?.split(', ') ?? [];
  return entries.map((entry) => {
    const dns = /^DNS:([A-Za-z0-9._*-]+)$/.exec(entry)?.[1];
    if (dns !== undefined) {
      return { type: 'dns', value: dns.toLowerCase() };
    }
    const ip = /^IP Address:([0-9A-Fa-f.:]+)$/.exec(entry)?.[1];
    if (ip !== undefined) {
      return { type: 'ip', value: isIPv6(ip) ? compressIpv6(ip) : ip };
    }
    const shown = JSON.stringify(printable(entry, 100));
    throw new CertificateError(`unexpected name ${shown}`);
  });
}

/** Start and end of a certificate's validity, milliseconds since 1970. */
export function validityOf(certificate: X509Certificate): {
  readonly notBefore: number;
  readonly notAfter: number;
} {
  return {
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
  };
}
