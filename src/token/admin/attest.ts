// Runs in the token helper, for `clavigerd key` alone: reads the attestation of a key, where the
// module offers one. ykcs11 shows attestations as certificates, which the card makes when they are
// read.

import { X509Certificate } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import { AppError } from '../../lib/errors.js';
import { findOfKey, type KeyNames } from './delete.js';
import { MAX_CERTIFICATE_BYTES } from './messages.js';
import { findObjects, readAttribute, type Session } from '../attributes.js';

/** DER of 1.3.6.1.4.1.41482.3: Yubico's extensions of PIV attestations are below it. */
const ATTESTATION_ARC = Buffer.from('060a2b0601040182c40a03', 'hex');

/**
 * The attestation of a key, and the certificate of its issuer if the token has it; in DER.
 * @throws AppError TOKEN_KEY_UNSUPPORTED when there is none
 */
export function attestKey(session: Session, names: KeyNames): Buffer[] {
  const attestation = findOfKey(session, pkcs11js.CKO_CERTIFICATE, names)
    .map((object) => readCertificate(session, object))
    .find((certificate) => certificate?.raw.includes(ATTESTATION_ARC));
  if (attestation === undefined) {
    throw new AppError('TOKEN_KEY_UNSUPPORTED', 'key: this module offers no attestation of it', {
      hint: 'ykcs11 does, for keys that were made on the YubiKey; other modules have tools of their own',
    });
  }
  const issuer = findIssuer(session, attestation);
  return [attestation, ...(issuer === undefined ? [] : [issuer])].map(({ raw }) => raw);
}

/**
 * Stops at the first that fits: each further attestation takes the card seconds to make.
 */
function findIssuer(session: Session, attestation: X509Certificate): X509Certificate | undefined {
  const all = findObjects(session, [{ type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_CERTIFICATE }]);
  for (const object of all) {
    const candidate = readCertificate(session, object);
    if (candidate !== undefined && attestation.verify(candidate.publicKey)) {
      return candidate;
    }
  }
  return undefined;
}

function readCertificate(session: Session, object: pkcs11js.Handle): X509Certificate | undefined {
  const der = readAttribute(session, object, pkcs11js.CKA_VALUE);
  if (der === undefined || der.length === 0 || der.length > MAX_CERTIFICATE_BYTES) {
    return undefined;
  }
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}
