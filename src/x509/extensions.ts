// Reads the list of extensions of a CSR or certificate, RFC 5280 §4.1. Pure; clavigerd and
// `clavigerd policy`. The list is a client's and is not trusted; each extension may be there once.
// The value of an extension is DER in an OCTET STRING, which `valueOf` reads as strictly as the
// rest.

import { TAG, parseDer, type DerElement } from './der.js';
import { Fields, elementsOf, parseOid, refused } from './der-values.js';

export const SUBJECT_ALT_NAME = '2.5.29.17';

interface Extension {
  /** The object identifier in dotted form. */
  readonly id: string;
  /** The DER in the OCTET STRING, not yet read. */
  readonly value: Uint8Array;
}

/** @throws AppError POLICY_CSR when there is no extension, or one of them twice */
export function parseExtensions(list: DerElement, what: string): readonly Extension[] {
  const seen = new Set<string>();
  return elementsOf(list, TAG.sequence, what).map((element) => {
    const fields = new Fields(element, what);
    const id = parseOid(fields.any(), what);
    const critical = fields.optional(TAG.boolean);
    const value = fields.next(TAG.octetString).content;
    fields.end();
    // X.690 §11.5: a value that equals its DEFAULT is left out.
    if (critical?.content[0] === 0) {
      throw refused(what, 'critical is FALSE, which DER leaves out');
    }
    if (seen.has(id)) {
      throw refused(what, `${id} is there twice`);
    }
    seen.add(id);
    return { id, value };
  });
}

/** The element in an extension's value. */
export function valueOf(extension: Extension, what: string): DerElement {
  return parseDer(extension.value, what);
}
