// Reads the extensions that a CSR asks for. Pure; clavigerd and `clavigerd policy`. The CSR is a
// client's and is not trusted: only the extensions of a server's certificate are allowed, with
// values a CA cannot misread. All others are refused, whatever a CA would do with them.

import { TAG, type DerElement } from './der.js';
import { elementsOf, expectTag, parseOid, refused } from './der-values.js';
import { SUBJECT_ALT_NAME, parseExtensions, valueOf } from './extensions.js';
import { parseGeneralNames } from './general-names.js';
import type { Identifier } from './identifier.js';

const EXTENDED_KEY_USAGES = new Set(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
/** status_request and status_request_v2, RFC 7633 §6. */
const TLS_FEATURES = new Set([5, 17]);
const MAX_KEY_IDENTIFIER_BYTES = 64;

/** keyCertSign and cRLSign, RFC 5280 §4.2.1.3: bits 5 and 6 of the first octet. */
const CA_KEY_USAGES = 0x06;
/** The one usage in the second octet. */
const DECIPHER_ONLY = 0x80;

const CHECKS: Readonly<Record<string, (value: DerElement) => void>> = {
  '2.5.29.14': assertKeyIdentifier,
  '2.5.29.15': assertKeyUsage,
  '2.5.29.19': assertBasicConstraints,
  '2.5.29.37': assertExtendedKeyUsage,
  '1.3.6.1.5.5.7.1.24': assertTlsFeature,
};

/**
 * The names in subjectAltName.
 * @throws AppError POLICY_CSR for an extension that is not expected in a request
 */
export function parseRequestExtensions(list: DerElement): readonly Identifier[] {
  return parseExtensions(list, 'csr extension').flatMap((extension) => {
    if (extension.id === SUBJECT_ALT_NAME) {
      const what = 'csr subjectAltName';
      return parseGeneralNames(valueOf(extension, what), what);
    }
    const check = CHECKS[extension.id];
    if (check === undefined) {
      throw refused('csr', `extension ${extension.id} is not expected in a request`);
    }
    check(valueOf(extension, `csr extension ${extension.id}`));
    return [];
  });
}

function assertKeyIdentifier(value: DerElement): void {
  const what = 'csr subjectKeyIdentifier';
  const { length } = expectTag(value, TAG.octetString, what).content;
  if (length === 0 || length > MAX_KEY_IDENTIFIER_BYTES) {
    throw refused(what, 'empty or too long');
  }
}

function assertKeyUsage(value: DerElement): void {
  const what = 'csr keyUsage';
  const { content } = expectTag(value, TAG.bitString, what);
  const [unused = 0, first = 0, second = 0] = content;
  // X.690 §11.2.2: the last bit is a one.
  const isTrimmed = (((content.at(-1) ?? 0) >> unused) & 1) === 1;
  const isKnown = content.length === 2 || (content.length === 3 && second === DECIPHER_ONLY);
  if (!isTrimmed || !isKnown) {
    throw refused(what, 'not a list of known usages');
  }
  if ((first & CA_KEY_USAGES) !== 0) {
    throw refused(what, 'asks to sign certificates or revocation lists');
  }
}

function assertBasicConstraints(value: DerElement): void {
  const what = 'csr basicConstraints';
  if (expectTag(value, TAG.sequence, what).children.length > 0) {
    throw refused(what, 'asks for more than a certificate that is no authority');
  }
}

function assertExtendedKeyUsage(value: DerElement): void {
  const what = 'csr extendedKeyUsage';
  const usages = elementsOf(value, TAG.sequence, what).map((usage) => parseOid(usage, what));
  const other = usages.find((usage) => !EXTENDED_KEY_USAGES.has(usage));
  if (other !== undefined) {
    throw refused(what, `${other} is neither serverAuth nor clientAuth`);
  }
  if (new Set(usages).size < usages.length) {
    throw refused(what, 'a usage is there twice');
  }
}

function assertTlsFeature(value: DerElement): void {
  const what = 'csr tlsfeature';
  const features = elementsOf(value, TAG.sequence, what).map((feature) => {
    const { content } = expectTag(feature, TAG.integer, what);
    return content.length === 1 ? content[0] : undefined;
  });
  const isKnown = features.every((feature) => feature !== undefined && TLS_FEATURES.has(feature));
  if (!isKnown || new Set(features).size < features.length) {
    throw refused(what, 'not a list of status_request and status_request_v2');
  }
}
