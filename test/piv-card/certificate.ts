// X.509 certificates of the virtual card: PKCS#11 modules find a PIV key by the certificate beside
// it. Just enough DER (RFC 5280 §4.1) for the modules to read; part of the virtual card.

import { createHash, sign, type KeyObject } from 'node:crypto';
import { formatInteger } from './card-key.js';
import { formatTlv } from './tlv.js';

const SEQUENCE = 0x30;
const SET = 0x31;
const OID = 0x06;
const UTF8 = 0x0c;
const GENERALIZED_TIME = 0x18;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;

const COMMON_NAME = Buffer.from('550403', 'hex');
const RSA_SHA256 = Buffer.concat([
  formatTlv(OID, Buffer.from('2a864886f70d01010b', 'hex')),
  Buffer.from('0500', 'hex'),
]);
const ECDSA_SHA256 = formatTlv(OID, Buffer.from('2a8648ce3d040302', 'hex'));
/** Yubico's attestation extensions, 1.3.6.1.4.1.41482.3.N. */
const YUBICO_ARC = '2b0601040182c40a03';

interface CertificateOptions {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly issuer: string;
  readonly issuerKey: KeyObject;
  /** Last number of Yubico's arc, and the extension's value. */
  readonly extensions?: ReadonlyMap<number, Buffer>;
}

/** A certificate in DER, valid from 2020 to 2099. */
export function formatCertificate(options: CertificateOptions): Buffer {
  const { issuerKey, publicKey, extensions } = options;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const serial = createHash('sha256').update(spki).digest().subarray(0, 8);
  const algorithm = formatTlv(
    SEQUENCE,
    issuerKey.asymmetricKeyType === 'rsa' ? RSA_SHA256 : ECDSA_SHA256,
  );
  const tbs = formatTlv(
    SEQUENCE,
    formatTlv(0xa0, formatInteger(2n)),
    formatInteger(BigInt(`0x${serial.toString('hex')}`)),
    algorithm,
    formatName(options.issuer),
    formatTlv(SEQUENCE, formatTime('20200101000000Z'), formatTime('20991231235959Z')),
    formatName(options.subject),
    spki,
    ...(extensions === undefined ? [] : [formatExtensions(extensions)]),
  );
  const signature = sign('sha256', tbs, issuerKey);
  return formatTlv(SEQUENCE, tbs, algorithm, formatTlv(BIT_STRING, Buffer.from([0]), signature));
}

function formatName(name: string): Buffer {
  const value = formatTlv(UTF8, Buffer.from(name, 'utf8'));
  return formatTlv(
    SEQUENCE,
    formatTlv(SET, formatTlv(SEQUENCE, formatTlv(OID, COMMON_NAME), value)),
  );
}

function formatTime(text: string): Buffer {
  return formatTlv(GENERALIZED_TIME, Buffer.from(text, 'latin1'));
}

function formatExtensions(extensions: ReadonlyMap<number, Buffer>): Buffer {
  const list = [...extensions].map(([last, value]) =>
    formatTlv(
      SEQUENCE,
      formatTlv(OID, Buffer.from(YUBICO_ARC, 'hex'), Buffer.from([last])),
      formatTlv(OCTET_STRING, value),
    ),
  );
  return formatTlv(0xa3, formatTlv(SEQUENCE, ...list));
}
