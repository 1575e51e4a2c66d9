// Reads the names of servers in the distinguished name (subject) of a CSR or certificate, RFC 5280
// §4.1.2.4. Pure; clavigerd and `clavigerd policy`. The subject is a client's and is not trusted. A
// CA may issue a certificate for a common name, so each one is judged like a subjectAltName.

import { isIP } from 'node:net';
import { TAG, type DerElement } from './der.js';
import { Fields, elementsOf, expectTag, parseOid, parseText, refused } from './der-values.js';
import type { Identifier } from './identifier.js';

const COMMON_NAME = '2.5.4.3';
const EMAIL_ADDRESS = '1.2.840.113549.1.9.1';

/** C, L, ST, O and OU, which name no server. A CA decides what to do with them. */
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
 * @throws AppError POLICY_CSR when the element is no distinguished name, or has other values than
 *   texts
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
  // isIP accepts `fe80::1%eth0` as well, which cannot be in a certificate.
  return { type: isIP(value) !== 0 && !value.includes('%') ? 'ip' : 'dns', value };
}
