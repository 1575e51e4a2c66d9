// Reads the names of a subjectAltName extension, RFC 5280 §4.2.1.6. Pure; clavigerd and `clavigerd
// policy`. The names are a client's and are not trusted. Types that no policy can allow are read as
// strictly as the others: a CA that finds one of them malformed might ignore the whole list and use
// the common name alone. x400Address and ediPartyName, which are not in use, are refused.

import { createHash } from 'node:crypto';
import { contextTag, type DerElement, TAG } from './der.js';
import { Fields, elementsOf, formatOid, parseIa5, parseOid, refused } from './der-values.js';
import type { Identifier } from './identifier.js';
import { assertDistinguishedName } from './subject-names.js';

/** Far more than a CA accepts in one order; a line of the protocol could carry a few thousand. */
const MAX_NAMES = 1000;
/** Longer values that are not text are represented by their hash. */
const MAX_HEX_BYTES = 64;

type Reader = (element: DerElement, what: string) => Identifier;

const READERS: Readonly<Record<number, Reader>> = {
  [contextTag(0, 'constructed')]: parseOtherName,
  [contextTag(1, 'primitive')]: ({ content }, what) => ({
    type: 'email',
    value: parseIa5(content, what),
  }),
  [contextTag(2, 'primitive')]: ({ content }, what) => ({
    type: 'dns',
    value: parseIa5(content, what),
  }),
  [contextTag(4, 'constructed')]: parseDirectoryName,
  [contextTag(6, 'primitive')]: ({ content }, what) => ({
    type: 'uri',
    value: parseIa5(content, what),
  }),
  [contextTag(7, 'primitive')]: ({ content }, what) => ({
    type: 'ip',
    value: formatAddress(content, what),
  }),
  [contextTag(8, 'primitive')]: parseRegisteredId,
};

/**
 * @throws AppError POLICY_CSR when there is no name, or one of an unsupported type or wrong form
 */
export function parseGeneralNames(names: DerElement, what: string): readonly Identifier[] {
  const elements = elementsOf(names, TAG.sequence, what);
  if (elements.length > MAX_NAMES) {
    throw refused(what, `more than ${MAX_NAMES} names`);
  }
  return elements.map((element) => {
    const read = READERS[element.tag];
    if (read === undefined) {
      throw refused(what, 'a name of an unsupported type');
    }
    return read(element, what);
  });
}

/** OtherName: type-id, [0] EXPLICIT value. */
function parseOtherName(element: DerElement, what: string): Identifier {
  const fields = new Fields(element, what, element.tag);
  const type = parseOid(fields.any(), what);
  const value = new Fields(
    fields.next(contextTag(0, 'constructed')),
    what,
    contextTag(0, 'constructed'),
  );
  fields.end();
  const inner = value.any();
  value.end();
  return { type: 'other', value: `${type}=${digestOf(inner.bytes)}` };
}

/** A Name is a CHOICE, so its tag [4] is explicit. */
function parseDirectoryName(element: DerElement, what: string): Identifier {
  const fields = new Fields(element, what, element.tag);
  const name = fields.any();
  fields.end();
  assertDistinguishedName(name, what);
  return { type: 'directory', value: digestOf(name.bytes) };
}

function parseRegisteredId({ content }: DerElement, what: string): Identifier {
  return { type: 'registered-id', value: formatOid(content, what) };
}

function digestOf(bytes: Uint8Array): string {
  return bytes.length <= MAX_HEX_BYTES
    ? `#${Buffer.from(bytes).toString('hex')}`
    : `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** An address in text form, IPv6 as RFC 5952 §4 writes it. @param octets 4 or 16 */
function formatAddress(octets: Uint8Array, what: string): string {
  if (octets.length === 4) {
    return octets.join('.');
  }
  if (octets.length !== 16) {
    throw refused(what, 'an IP address that has neither 4 nor 16 bytes');
  }
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((octets[2 * at] ?? 0) << 8) | (octets[2 * at + 1] ?? 0)).toString(16),
  );
  const { start, length } = longestZeros(groups);
  if (length < 2) {
    return groups.join(':');
  }
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  groups.forEach((_, start) => {
    const end = groups.findIndex((group, at) => at >= start && group !== '0');
    const length = (end === -1 ? groups.length : end) - start;
    if (length > best.length) {
      best = { start, length };
    }
  });
  return best;
}
