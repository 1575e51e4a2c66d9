// A certificate request (PKCS #10, RFC 2986) signed by an account key, for `clavigerd key show --csr`.
// It is for tests of a token: an account key must not become a server's key, and CAs refuse it as one.

import type { AccountKey } from '../keys/account-key.js';
import { AppError } from '../lib/errors.js';

const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  /** [0] IMPLICIT, constructed: CertificationRequestInfo's attributes. */
  attributes: 0xa0,
  /** [2] IMPLICIT: dNSName, RFC 5280 §4.2.1.6. */
  dnsName: 0x82,
} as const;

const VERSION_1 = der(TAG.integer, Buffer.of(0));
const NULL = Buffer.from('0500', 'hex');
/** 1.2.840.113549.1.9.14, extensionRequest, RFC 2985 §5.4.2. */
const EXTENSION_REQUEST = der(TAG.oid, Buffer.from('2a864886f70d01090e', 'hex'));
/** 2.5.29.17, subjectAltName. */
const SUBJECT_ALT_NAME = der(TAG.oid, Buffer.from('551d11', 'hex'));

/** AlgorithmIdentifier by JWS algorithm; of EdDSA by curve. RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3. */
const ALGORITHM_IDENTIFIERS: ReadonlyMap<string, Buffer> = new Map([
  ['RS256', algorithm('2a864886f70d01010b', NULL)],
  ['ES256', algorithm('2a8648ce3d040302')],
  ['ES384', algorithm('2a8648ce3d040303')],
  ['ES512', algorithm('2a8648ce3d040304')],
  ['Ed25519', algorithm('2b6570')],
  ['Ed448', algorithm('2b6571')],
]);

/**
 * PEM of a request for one DNS name, with an empty subject.
 * @throws AppError TOKEN_* or what else the key throws
 */
export async function createRequest(key: AccountKey, dnsName: string): Promise<string> {
  const identifier = ALGORITHM_IDENTIFIERS.get(key.jwk.kty === 'OKP' ? key.jwk.crv : key.algorithm);
  if (identifier === undefined) {
    throw new AppError('KEY_UNSUPPORTED', `key: no request can be signed with ${key.algorithm}`);
  }
  const info = der(
    TAG.sequence,
    VERSION_1,
    der(TAG.sequence),
    key.publicKey.export({ format: 'der', type: 'spki' }),
    der(TAG.attributes, alternativeName(dnsName)),
  );
  const signature = x509Signature(key, await key.sign(info));
  const bits = der(TAG.bitString, Buffer.of(0), signature);
  return pem(der(TAG.sequence, info, identifier, bits));
}

function alternativeName(dnsName: string): Buffer {
  const names = der(TAG.sequence, der(TAG.dnsName, Buffer.from(dnsName, 'latin1')));
  const extension = der(TAG.sequence, SUBJECT_ALT_NAME, der(TAG.octetString, names));
  return der(TAG.sequence, EXTENSION_REQUEST, der(TAG.set, der(TAG.sequence, extension)));
}

/** JWS has r‖s (RFC 7518 §3.4) where X.509 has a SEQUENCE of two INTEGERs (RFC 3279 §2.2.3). */
function x509Signature(key: AccountKey, signature: Buffer): Buffer {
  if (key.jwk.kty !== 'EC') {
    return signature;
  }
  const half = signature.length / 2;
  return der(
    TAG.sequence,
    positiveInteger(signature.subarray(0, half)),
    positiveInteger(signature.subarray(half)),
  );
}

function positiveInteger(padded: Buffer): Buffer {
  const start = padded.findIndex((byte) => byte !== 0);
  const magnitude = padded.subarray(start === -1 ? padded.length - 1 : start);
  const sign = (magnitude[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0);
  return der(TAG.integer, sign, magnitude);
}

function algorithm(oidHex: string, ...parameters: readonly Buffer[]): Buffer {
  return der(TAG.sequence, der(TAG.oid, Buffer.from(oidHex, 'hex')), ...parameters);
}

/** Tag, length, contents. X.690 §8.1.3: the definite form, in as few bytes as possible. */
function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.of(tag), derLength(content.length), content]);
}

function derLength(length: number): Buffer {
  if (length < 0x80) {
    return Buffer.of(length);
  }
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  const label = 'CERTIFICATE REQUEST';
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
