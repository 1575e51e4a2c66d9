// What must hold before an issued chain is installed. Pure; runs in the client's master.
// The CA, and whatever stands between it and us, is not trusted: a wrong certificate in place of a
// good one takes a site down.

import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { isSameIdentifierSet, type Identifier } from '../../acme/identifier.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { identifiersOf, validityOf, type Chain } from './certificate-chain.js';

/** How far this machine's clock may be behind the CA's. */
const CLOCK_SKEW_MS = 60_000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';

export interface Expectation {
  readonly privateKey: KeyObject;
  readonly identifiers: readonly Identifier[];
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Trust anchors; undefined: the chain need not end in a known one. */
  readonly authorities: readonly X509Certificate[] | undefined;
}

/** @throws AppError CLIENT_CERTIFICATE with what is wrong; nothing must be installed then */
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
 * Never KeyObject.equals() of two types: it leaves an error behind in OpenSSL, and the next key
 * that is read, whichever it is, is then called unreadable.
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
  // Extended key usage. Node's types promise it; a certificate without the extension has none.
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
 * A chain whose links hold may reach an authority before its end: servers send a new root certified
 * by an old one as well, for clients that know the old one only.
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
  // Node's types promise a subject; an empty one is undefined.
  const subject: unknown = certificate.subject;
  return typeof subject === 'string'
    ? `"${printable(subject.replaceAll('\n', ', '), 200)}"`
    : 'the certificate';
}

function wrong(problem: string, hint?: string): AppError {
  return new AppError('CLIENT_CERTIFICATE', `certificate: ${problem}`, {
    hint: hint ?? 'nothing was installed; the files are as they were',
  });
}
