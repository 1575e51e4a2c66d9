// Reads the names of a certificate (RFC 5280), by which a policy judges a revocation request. Pure;
// clavigerd and `clavigerd policy`. The certificate is the client's and is not trusted. Its
// signature is not verified, for a CA revokes only certificates that it issued itself.

import { TAG, contextTag, parseDer, type DerElement } from './der.js';
import { Fields, parseOctetBits, refused } from './der-values.js';
import { SUBJECT_ALT_NAME, parseExtensions, valueOf } from './extensions.js';
import { parseGeneralNames } from './general-names.js';
import type { Identifier } from './identifier.js';
import { parseCertificateSubject } from './subject-names.js';

const WHAT = 'certificate';

/**
 * The common names, mail addresses and all subjectAltNames of a certificate, each once; at least
 * one.
 * @throws AppError POLICY_CSR when it is no certificate in DER, or has no name
 */
export function parseCertificateNames(der: Uint8Array): readonly Identifier[] {
  const certificate = new Fields(parseDer(der, WHAT), WHAT);
  const names = namesOf(certificate.next(TAG.sequence));
  certificate.next(TAG.sequence);
  parseOctetBits(certificate.any(), WHAT);
  certificate.end();
  if (names.length === 0) {
    throw refused(WHAT, 'names nothing');
  }
  return withoutDuplicates(names);
}

/** The names in their order, each combination of type and value once. */
export function withoutDuplicates(names: readonly Identifier[]): readonly Identifier[] {
  const byText = new Map<string, Identifier>();
  for (const name of names) {
    const text = `${name.type}:${name.value}`;
    if (!byText.has(text)) {
      byText.set(text, name);
    }
  }
  return [...byText.values()];
}

/** @param tbs TBSCertificate, RFC 5280 §4.1.2 */
function namesOf(tbs: DerElement): readonly Identifier[] {
  const fields = new Fields(tbs, WHAT);
  fields.optional(contextTag(0, 'constructed')); // version
  fields.next(TAG.integer); // serial number
  fields.next(TAG.sequence); // signature algorithm
  fields.next(TAG.sequence); // issuer
  fields.next(TAG.sequence); // validity
  const subject = parseCertificateSubject(fields.next(TAG.sequence));
  fields.next(TAG.sequence); // public key
  fields.optional(contextTag(1, 'primitive')); // issuer's unique identifier
  fields.optional(contextTag(2, 'primitive')); // subject's
  const extensions = fields.optional(contextTag(3, 'constructed'));
  fields.end();
  return [...subject, ...(extensions === undefined ? [] : alternativeNames(extensions))];
}

function alternativeNames(element: DerElement): readonly Identifier[] {
  const what = 'certificate subjectAltName';
  const fields = new Fields(element, WHAT, element.tag);
  const list = parseExtensions(fields.any(), 'certificate extension');
  fields.end();
  const extension = list.find(({ id }) => id === SUBJECT_ALT_NAME);
  return extension === undefined ? [] : parseGeneralNames(valueOf(extension, what), what);
}
