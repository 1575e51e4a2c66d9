// What must hold before an issued chain is installed. Pure; runs in claviger. Neither the CA nor
// the connection to it is trusted: a wrong certificate in place of a good one takes a site down.

import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { isSameIdentifierSet } from '../../acme/identifier.js';
import type { ServerIdentifier } from '../../x509/identifier.js';
import { printable } from '../../lib/printable.js';
import { CertificateError, identifiersOf, validityOf, type Chain } from './certificate-chain.js';

/** How far this machine's clock may be behind the clock of the CA. */
const CLOCK_SKEW_MS = 60_000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

export interface Expectation {
  readonly privateKey: KeyObject;
  readonly identifiers: readonly ServerIdentifier[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Trust anchors; undefined: the chain need not end in a known one. */
  readonly authorities: readonly X509Certificate[] | undefined;
}

/** @throws CertificateError with what is wrong; nothing must be installed then */
export function assertChain(chain: Chain, expected: Expectation): void {
  const [leaf] = chain;
  if (!isKeyOf(leaf, expected.privateKey)) {
    throw wrong('the certificate is for another key than ours');
  }
  const names = identifiersOf(leaf);
  if (!isSameIdentifierSet(names, expected.identifiers)) {
    const list = names.map(({ value }) => value).join(', ');
    throw wrong(`the certificate is for other names than requested: ${printable(list, 300)}`);
  }
  assertServerLeaf(leaf);
  for (const certificate of chain) {
    assertDates(certificate, expected.now);
  }
  assertLinks(chain);
  if (expected.authorities !== undefined) {
    assertAnchored(chain, expected.authorities);
  }
}

/** True when the certificate's public key belongs to the private key. */
export function isKeyOf(certificate: X509Certificate, privateKey: KeyObject): boolean {
  return isSamePublicKey(createPublicKey(privateKey), publicKeyOf(certificate));
}

/**
 * KeyObject.equals() must not see keys of two types: it leaves an error in OpenSSL's queue, and the
 * next key that is read is then reported as unreadable.
 */
function isSamePublicKey(ours: KeyObject, other: KeyObject | undefined): boolean {
  return (
    other !== undefined && other.asymmetricKeyType === ours.asymmetricKeyType && ours.equals(other)
  );
}

/** Undefined for a key of a kind that OpenSSL does not know. */
function publicKeyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey;
  } catch {
    return undefined;
  }
}

function assertServerLeaf(leaf: X509Certificate): void {
  if (leaf.ca) {
    throw wrong('the first certificate is one of an authority');
  }
  // Extended key usage; undefined without the extension, although Node's types have an array.
  const usage: unknown = leaf.keyUsage;
  if (Array.isArray(usage) && !usage.includes(SERVER_AUTH)) {
    throw wrong('the certificate is not for servers (extended key usage)');
  }
}

const CLOCK_HINT = "is this machine's clock right? `date -u` tells it; nothing was installed";

function assertDates(certificate: X509Certificate, now: number): void {
  const { notBefore, notAfter } = validityOf(certificate);
  if (!(notBefore <= now + CLOCK_SKEW_MS)) {
    throw wrong(`${nameOf(certificate)} is not valid before ${certificate.validFrom}`, CLOCK_HINT);
  }
  if (!(now < notAfter)) {
    throw wrong(`${nameOf(certificate)} has expired on ${certificate.validTo}`, CLOCK_HINT);
  }
}

/** RFC 8555 §7.4.2: each certificate certifies the one before it. */
function assertLinks(chain: Chain): void {
  for (const [at, issuer] of chain.slice(1).entries()) {
    const certificate = chain[at];
    if (certificate !== undefined && !isIssuedBy(certificate, issuer)) {
      throw wrong(`${nameOf(certificate)} is not issued by ${nameOf(issuer)}, which follows it`);
    }
  }
}

/**
 * A chain may reach a trusted authority before its end: servers append a new root that is certified
 * by an old one, for clients that know only the old one.
 */
function assertAnchored(chain: Chain, authorities: readonly X509Certificate[]): void {
  const isAnchored = chain.some((certificate) =>
    authorities.some(
      (anchor) => anchor.raw.equals(certificate.raw) || isIssuedBy(certificate, anchor),
    ),
  );
  if (!isAnchored) {
    throw wrong(
      'the chain leads to none of the authorities in the CA file',
      'is --ca-file the root of this authority?',
    );
  }
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function nameOf(certificate: X509Certificate): string {
  // Undefined for an empty subject, although Node's types have a string.
  const subject: unknown = certificate.subject;
  return typeof subject === 'string'
    ? `"${printable(subject.replaceAll('\n', ', '), 200)}"`
    : 'the certificate';
}

function wrong(problem: string, hint?: string): CertificateError {
  return new CertificateError(problem, {
    hint: hint ?? 'nothing was installed; the files are as they were',
  });
}
