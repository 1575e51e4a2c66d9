// The list of extensions of a CSR or certificate, RFC 5280 §4.1, each at most once. Pure. What is
// in one is DER in an OCTET STRING, read here too: no reader sees bytes that were not checked.

import { TAG, parseDer, type DerElement } from './der.js';
import { Fields, elementsOf, parseOid, refused } from './der-values.js';

export const SUBJECT_ALT_NAME = '2.5.29.17';

export interface Extension {
  /** Dotted. */
  readonly id: string;
  /** The DER in the OCTET STRING, not yet read. */
  readonly value: Uint8Array;
}

/** @throws AppError POLICY_CSR when there is none, or one twice */
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
