// The distinguished name of a CSR or certificate, RFC 5280 §4.1.2.4: the names in it that name a
// server. Pure. A CA may take a common name for a name to certify, so each one counts as much as a
// subjectAltName.

import { isIP } from 'node:net';
import { TAG, type DerElement } from './der.js';
import { Fields, elementsOf, expectTag, parseOid, parseText, refused } from './der-values.js';
import type { Identifier } from './identifier.js';

const COMMON_NAME = '2.5.4.3';
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';

/** C, L, ST, O and OU: they name no server. What a CA makes of them is its own business. */
const HARMLESS = new Set(['2.5.4.6', '2.5.4.7', '2.5.4.8', '2.5.4.10', '2.5.4.11']);

/**
 * The common names of a CSR's subject.
 * @throws AppError POLICY_CSR for attributes that may name something else (emailAddress, DC, UID,
 *   ...)
 */
export function parseRequestSubject(name: DerElement): readonly Identifier[] {
  const what = 'csr subject';
  return attributesOf(name, what).flatMap(({ type, value }) => {
    const text = parseText(value, what);
    if (type === COMMON_NAME) {
      return [nameOfText(text)];
    }
    if (!HARMLESS.has(type)) {
      throw refused(what, `attribute ${type} is not expected in a request`);
    }
    return [];
  });
}

/**
 * The common names and mail addresses of a certificate's subject; other attributes name no server.
 */
export function parseCertificateSubject(name: DerElement): readonly Identifier[] {
  const what = 'certificate subject';
  return attributesOf(name, what).flatMap(({ type, value }) => {
    switch (type) {
      case COMMON_NAME:
        return [nameOfText(parseText(value, what))];
      case EMAIL_ADDRESS:
        return [{ type: 'email', value: parseText(value, what) }];
      default:
        return [];
    }
  });
}

/**
 * @throws AppError POLICY_CSR when the element is no distinguished name, or one of other than texts
 */
export function assertDistinguishedName(name: DerElement, what: string): void {
  for (const { value } of attributesOf(name, what)) {
    parseText(value, what);
  }
}

interface Attribute {
  readonly type: string;
  readonly value: DerElement;
}

function attributesOf(name: DerElement, what: string): readonly Attribute[] {
  return expectTag(name, TAG.sequence, what).children.flatMap((relative) =>
    elementsOf(relative, TAG.set, what).map((attribute) => {
      const fields = new Fields(attribute, what);
      const type = parseOid(fields.any(), what);
      const value = fields.any();
      fields.end();
      return { type, value };
    }),
  );
}

function nameOfText(value: string): Identifier {
  // isIP takes `fe80::1%eth0` too, which is no address of a certificate.
  return { type: isIP(value) !== 0 && !value.includes('%') ? 'ip' : 'dns', value };
}
