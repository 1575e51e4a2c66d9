// Certificates made by hand, with anything in them. Used by test processes only.

import { sign, type KeyObject } from 'node:crypto';
import { bits, encodeDer, integer, oid, part, seq, type DerPart } from './der-builder.js';
import { keyInfo, subject } from './request-builder.js';

export interface CertificateParts {
  /** The number in [0]; version 3 when left out, no version at all when undefined. */
  readonly version?: DerPart | undefined;
  readonly subject?: DerPart;
  readonly uniqueIds?: readonly DerPart[];
  readonly extensions: readonly DerPart[] | undefined;
}

const ED25519 = seq(oid('1.3.101.112'));

/** DER of a certificate signed by its own key. @param privateKey Ed25519 */
export function makeCertificate(privateKey: KeyObject, parts: CertificateParts): Buffer {
  return signCertificate(privateKey, certificateInfo(privateKey, parts));
}

/** The TBSCertificate that `makeCertificate` signs. */
export function certificateInfo(privateKey: KeyObject, parts: CertificateParts): DerPart {
  const version = 'version' in parts ? parts.version : integer(2);
  return seq(
    ...(version === undefined ? [] : [part(0xa0, [version])]),
    integer(1),
    ED25519,
    subject(['2.5.4.3', 'issuer']),
    seq(part(0x17, '260101000000Z'), part(0x17, '270101000000Z')),
    parts.subject ?? seq(),
    keyInfo(privateKey),
    ...(parts.uniqueIds ?? []),
    ...(parts.extensions === undefined ? [] : [part(0xa3, [seq(...parts.extensions)])]),
  );
}

/** Signs whatever `info` is, and puts it into a certificate. */
export function signCertificate(privateKey: KeyObject, info: DerPart): Buffer {
  return encodeDer(seq(info, ED25519, bits(sign(null, encodeDer(info), privateKey))));
}
