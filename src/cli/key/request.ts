// Makes a certificate request (PKCS #10, RFC 2986) signed by an account key, for `clavigerd key
// show --csr`. It is meant for tests of a token: an account key must not be used in a certificate,
// and CAs refuse that (RFC 8555 §11.1).

import type { AccountKey } from '../../keys/account-key.js';
import { AppError } from '../../lib/errors.js';
import { bitString, DER, element, objectIdentifier } from '../../x509/der-writer.js';

/** [0] IMPLICIT, constructed: CertificationRequestInfo's attributes. */
const ATTRIBUTES = 0xa0;
/** [2] IMPLICIT: dNSName, RFC 5280 §4.2.1.6. */
const DNS_NAME = 0x82;
const VERSION_1 = element(DER.INTEGER, Buffer.of(0));
const NULL = element(DER.NULL);
/** RFC 2985 §5.4.2 */
const EXTENSION_REQUEST = objectIdentifier('1.2.840.113549.1.9.14');
const SUBJECT_ALT_NAME = objectIdentifier('2.5.29.17');

/**
 * AlgorithmIdentifier by JWS algorithm; of EdDSA by curve. RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3.
 */
const ALGORITHM_IDENTIFIERS: ReadonlyMap<string, Buffer> = new Map([
  ['RS256', algorithm('1.2.840.113549.1.1.11', NULL)],
  ['ES256', algorithm('1.2.840.10045.4.3.2')],
  ['ES384', algorithm('1.2.840.10045.4.3.3')],
  ['ES512', algorithm('1.2.840.10045.4.3.4')],
  ['Ed25519', algorithm('1.3.101.112')],
  ['Ed448', algorithm('1.3.101.113')],
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
  const info = element(
    DER.SEQUENCE,
    VERSION_1,
    element(DER.SEQUENCE),
    key.publicKey.export({ format: 'der', type: 'spki' }),
    element(ATTRIBUTES, alternativeName(dnsName)),
  );
  const signature = x509Signature(key, (await key.sign(info)).bytes);
  const bits = bitString(signature);
  return pem(element(DER.SEQUENCE, info, identifier, bits));
}

function alternativeName(dnsName: string): Buffer {
  const names = element(DER.SEQUENCE, element(DNS_NAME, Buffer.from(dnsName, 'latin1')));
  const extension = element(DER.SEQUENCE, SUBJECT_ALT_NAME, element(DER.OCTET_STRING, names));
  return element(
    DER.SEQUENCE,
    EXTENSION_REQUEST,
    element(DER.SET, element(DER.SEQUENCE, extension)),
  );
}

/** JWS has r‖s (RFC 7518 §3.4) where X.509 has a SEQUENCE of two INTEGERs (RFC 3279 §2.2.3). */
function x509Signature(key: AccountKey, signature: Buffer): Buffer {
  if (key.jwk.kty !== 'EC') {
    return signature;
  }
  const half = signature.length / 2;
  return element(
    DER.SEQUENCE,
    positiveInteger(signature.subarray(0, half)),
    positiveInteger(signature.subarray(half)),
  );
}

function positiveInteger(padded: Buffer): Buffer {
  const start = padded.findIndex((byte) => byte !== 0);
  const magnitude = padded.subarray(start === -1 ? padded.length - 1 : start);
  const sign = (magnitude[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0);
  return element(DER.INTEGER, sign, magnitude);
}

function algorithm(dotted: string, ...parameters: readonly Buffer[]): Buffer {
  return element(DER.SEQUENCE, objectIdentifier(dotted), ...parameters);
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  const label = 'CERTIFICATE REQUEST';
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
