// Certificate signing requests made by hand, with anything in them and a right signature. Used by
// test processes only. What openssl would refuse to make is made here.

import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import {
  bits,
  decodeDer,
  encodeDer,
  integer,
  NULL,
  octets,
  oid,
  part,
  seq,
  set,
  TRUE,
  utf8,
  type DerPart,
} from './der-builder.js';

export const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  emailAddress: '1.2.840.113549.1.9.1',
  extensionRequest: '1.2.840.113549.1.9.14',
  challengePassword: '1.2.840.113549.1.9.7',
  subjectAltName: '2.5.29.17',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
  tlsFeature: '1.3.6.1.5.5.7.1.24',
} as const;

export interface RequestParts {
  readonly version?: DerPart;
  readonly subject?: DerPart;
  readonly key?: DerPart;
  /** In [0]; extensionRequest with `extensions` unless given. */
  readonly attributes?: readonly DerPart[];
  readonly extensions?: readonly DerPart[];
  /** AlgorithmIdentifier, beside the hash that is used. */
  readonly algorithm?: DerPart;
  readonly hash?: string | null;
  /** Signs instead of the key the request is for. */
  readonly signer?: KeyObject;
}

/** DER of a request for `example.org` unless the parts say otherwise. */
export function makeRequest(privateKey: KeyObject, parts: RequestParts = {}): Buffer {
  return signRequest(privateKey, requestInfo(privateKey, parts), parts);
}

/** The CertificationRequestInfo that `makeRequest` signs. */
export function requestInfo(privateKey: KeyObject, parts: RequestParts = {}): DerPart {
  const extensions = parts.extensions ?? [altNames(dnsName('example.org'))];
  return seq(
    parts.version ?? integer(0),
    parts.subject ?? seq(),
    parts.key ?? keyInfo(privateKey),
    part(0xa0, parts.attributes ?? [extensionRequest(...extensions)]),
  );
}

/** Signs whatever `info` is, and puts it into a request. */
export function signRequest(
  privateKey: KeyObject,
  info: DerPart,
  { algorithm, hash, signer = privateKey }: RequestParts = {},
): Buffer {
  const usual = usualAlgorithm(signer);
  const signature = sign(hash === undefined ? usual.hash : hash, encodeDer(info), signer);
  return encodeDer(seq(info, algorithm ?? usual.identifier, bits(signature)));
}

export function keyInfo(key: KeyObject): DerPart {
  return decodeDer(createPublicKey(key).export({ format: 'der', type: 'spki' }));
}

function usualAlgorithm(key: KeyObject): { hash: string | null; identifier: DerPart } {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { hash: 'sha256', identifier: seq(oid('1.2.840.113549.1.1.11'), NULL) };
    case 'ec':
      return { hash: 'sha256', identifier: seq(oid('1.2.840.10045.4.3.2')) };
    case 'ed25519':
      return { hash: null, identifier: seq(oid('1.3.101.112')) };
    default:
      return { hash: null, identifier: seq(oid('1.3.101.113')) };
  }
}

export function extensionRequest(...extensions: DerPart[]): DerPart {
  return seq(oid(OID.extensionRequest), set(seq(...extensions)));
}

export function extension(id: string, value: DerPart, isCritical = false): DerPart {
  return seq(oid(id), ...(isCritical ? [TRUE] : []), octets(encodeDer(value)));
}

export function altNames(...names: DerPart[]): DerPart {
  return extension(OID.subjectAltName, seq(...names));
}

export const dnsName = (text: string): DerPart => part(0x82, text);
export const emailName = (text: string): DerPart => part(0x81, text);
export const uriName = (text: string): DerPart => part(0x86, text);
export const addressName = (...address: number[]): DerPart => part(0x87, Buffer.from(address));

/** A distinguished name of one attribute a level. */
export function subject(
  ...attributes: (readonly [id: string, value: DerPart | string])[]
): DerPart {
  return seq(
    ...attributes.map(([id, value]) =>
      set(seq(oid(id), typeof value === 'string' ? utf8(value) : value)),
    ),
  );
}
