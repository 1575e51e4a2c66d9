// The certificate request, PKCS #10 (RFC 2986): key, names and signature, nothing else. Runs in
// claviger. Encoded here, in some forty lines: a library for all of X.509 takes longer to load than
// the rest of an issuance. The tests read every kind of it with openssl and clavigerd's strict
// parser.

import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { promisify } from 'node:util';
import type { ServerIdentifier } from '../../x509/identifier.js';
import { bitString, DER, element, objectIdentifier } from '../../x509/der-writer.js';

const signAsync = promisify(sign);

const EXTENSION_REQUEST = objectIdentifier('1.2.840.113549.1.9.14');
const SUBJECT_ALT_NAME = objectIdentifier('2.5.29.17');
const NO_PARAMETERS = element(DER.NULL);
/** Context tags of GeneralName, RFC 5280 §4.2.1.6. */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;
/** [0] IMPLICIT SET OF Attribute, constructed. */
const ATTRIBUTES = 0xa0;
/** Version 1 is written as zero. */
const VERSION = element(DER.INTEGER, Buffer.of(0));
const EMPTY_SUBJECT = element(DER.SEQUENCE);

/**
 * DER of a request for the identifiers, signed with the certificate's key (P-256, P-384 or RSA).
 * The subject is empty: the names are in subjectAltName alone (RFC 8555 §7.4 allows it, and
 * authorities no longer want a CN).
 */
export async function createCsr(
  privateKey: KeyObject,
  identifiers: readonly ServerIdentifier[],
): Promise<Uint8Array> {
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const names = element(DER.SEQUENCE, ...identifiers.map(generalName));
  const extension = element(DER.SEQUENCE, SUBJECT_ALT_NAME, element(DER.OCTET_STRING, names));
  const attribute = element(
    DER.SEQUENCE,
    EXTENSION_REQUEST,
    element(DER.SET, element(DER.SEQUENCE, extension)),
  );
  const attributes = element(ATTRIBUTES, attribute);
  const info = element(DER.SEQUENCE, VERSION, EMPTY_SUBJECT, publicKey, attributes);
  const { hash, identifier } = signatureAlgorithm(privateKey);
  const signature = await signAsync(hash, info, privateKey);
  return element(DER.SEQUENCE, info, identifier, bitString(signature));
}

/**
 * RFC 5758 §3.2 for ECDSA, which has no parameters; RFC 4055 §5 for RSA, whose parameters are NULL.
 */
function signatureAlgorithm(key: KeyObject): {
  readonly hash: string;
  readonly identifier: Buffer;
} {
  if (key.asymmetricKeyType === 'rsa') {
    const identifier = [objectIdentifier('1.2.840.113549.1.1.11'), NO_PARAMETERS];
    return { hash: 'sha256', identifier: element(DER.SEQUENCE, ...identifier) };
  }
  return key.asymmetricKeyDetails?.namedCurve === 'secp384r1'
    ? { hash: 'sha384', identifier: element(DER.SEQUENCE, objectIdentifier('1.2.840.10045.4.3.3')) }
    : {
        hash: 'sha256',
        identifier: element(DER.SEQUENCE, objectIdentifier('1.2.840.10045.4.3.2')),
      };
}

function generalName({ type, value }: ServerIdentifier): Buffer {
  return type === 'dns'
    ? element(DNS_NAME, Buffer.from(value, 'ascii'))
    : element(IP_ADDRESS, addressOctets(value));
}

/** Four or sixteen octets. An IPv6 address is as RFC 5952 writes it, without a dotted part. */
function addressOctets(address: string): Buffer {
  if (isIPv4(address)) {
    return Buffer.from(address.split('.').map(Number));
  }
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined): string[] => (text ?? '').split(':').filter(Boolean);
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const all = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0'));
  return Buffer.from(all.join(''), 'hex');
}
