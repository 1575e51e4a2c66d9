// A certificate authority in memory that issues right and wrong certificates. Used by test
// processes only.

import 'reflect-metadata';
import { createPublicKey, webcrypto, type KeyObject } from 'node:crypto';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type Extension,
} from '@peculiar/x509';
import { makeKeyPair } from '../key-pair.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface LeafOptions {
  readonly names: readonly { readonly type: 'dns' | 'ip' | 'email'; readonly value: string }[];
  /** Milliseconds since 1970; by default an hour ago and 90 days later. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly isAuthority?: boolean;
  /** Object identifier; serverAuth by default, null for no such extension. */
  readonly usage?: string | null;
}

export interface TestAuthority {
  /** PEM of the self-signed certificate. */
  readonly pem: string;
  issue(publicKey: KeyObject, options: LeafOptions): Promise<string>;
  /** An authority certified by this one. */
  subordinate(name: string): Promise<TestAuthority>;
  /** A second certificate, by this authority, of another one's name and key. */
  certify(other: TestAuthority): Promise<string>;
  readonly name: string;
  readonly key: KeyObject;
}

export function newKey(curve = 'P-256'): KeyObject {
  return makeKeyPair('ec', { namedCurve: curve }).privateKey;
}

/** A self-signed authority with a P-256 key. */
export async function makeAuthority(name: string): Promise<TestAuthority> {
  const key = newKey();
  return await authority(name, key, { name, key });
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
}

async function authority(name: string, key: KeyObject, issuer: Issuer): Promise<TestAuthority> {
  return {
    name,
    key,
    pem: await authorityCertificate(name, key, issuer),
    issue: (publicKey, options) => issueLeaf({ name, key }, publicKey, options),
    subordinate: (subject) => authority(subject, newKey(), { name, key }),
    certify: (other) => authorityCertificate(other.name, other.key, { name, key }),
  };
}

async function authorityCertificate(name: string, key: KeyObject, issuer: Issuer): Promise<string> {
  const now = Date.now();
  return await certificate(issuer, key, {
    subject: `CN=${name}`,
    notBefore: now - DAY_MS,
    notAfter: now + 3650 * DAY_MS,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
}

async function issueLeaf(issuer: Issuer, publicKey: KeyObject, o: LeafOptions): Promise<string> {
  const now = Date.now();
  const usage = o.usage === undefined ? '1.3.6.1.5.5.7.3.1' : o.usage;
  return await certificate(issuer, publicKey, {
    subject: '',
    notBefore: o.notBefore ?? now - HOUR_MS,
    notAfter: o.notAfter ?? now + 90 * DAY_MS,
    extensions: [
      new BasicConstraintsExtension(o.isAuthority ?? false, undefined, true),
      new SubjectAlternativeNameExtension(o.names.map(({ type, value }) => ({ type, value }))),
      ...(usage === null ? [] : [new ExtendedKeyUsageExtension([usage])]),
    ],
  });
}

interface Certificate {
  readonly subject: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: Extension[];
}

async function certificate(issuer: Issuer, key: KeyObject, o: Certificate): Promise<string> {
  const made = await X509CertificateGenerator.create(
    {
      subject: o.subject,
      issuer: `CN=${issuer.name}`,
      notBefore: new Date(o.notBefore),
      notAfter: new Date(o.notAfter),
      signingAlgorithm: ALGORITHM,
      publicKey: key.type === 'private' ? spkiOf(createPublicKey(key)) : spkiOf(key),
      signingKey: await webcrypto.subtle.importKey(
        'pkcs8',
        issuer.key.export({ type: 'pkcs8', format: 'der' }),
        ALGORITHM,
        false,
        ['sign'],
      ),
      extensions: o.extensions,
    },
    webcrypto,
  );
  return `${made.toString('pem')}\n`;
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** The public key of a certificate request in DER. */
export function publicKeyOfCsr(csr: Uint8Array): KeyObject {
  const request = new Pkcs10CertificateRequest(csr);
  const key = Buffer.from(request.publicKey.rawData);
  return createPublicKey({ key, type: 'spki', format: 'der' });
}

/** A private key as PEM, PKCS #8. */
export function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
