// Reads the values of DER elements: object identifiers, texts, the fields of a sequence. Pure;
// clavigerd and `clavigerd policy`. The elements are a client's and are not trusted. Errors are
// AppError POLICY_CSR, and their messages repeat nothing of the input but object identifiers.

import { AppError } from '../lib/errors.js';
import { TAG, isObjectIdentifier, type DerElement } from './der.js';

/** The longest text: far longer than any name (253) or subject attribute (64). */
const MAX_TEXT_BYTES = 1024;
const MAX_OID_BYTES = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The error for a problem with `what`. */
export function refused(what: string, problem: string): AppError {
  return new AppError('POLICY_CSR', `${what}: ${problem}`);
}

/**
 * Reads the fields of a SEQUENCE one after another. `end` has to be called, and refuses the rest.
 */
export class Fields {
  readonly #children: readonly DerElement[];
  readonly #what: string;
  #at = 0;

  /** @throws AppError POLICY_CSR when the element has another tag */
  constructor(element: DerElement, what: string, tag: number = TAG.sequence) {
    expectTag(element, tag, what);
    this.#children = element.children;
    this.#what = what;
  }

  /** The next field, of any tag. */
  any(): DerElement {
    const element = this.#children[this.#at];
    if (element === undefined) {
      throw refused(this.#what, 'not complete');
    }
    this.#at += 1;
    return element;
  }

  next(tag: number): DerElement {
    return expectTag(this.any(), tag, this.#what);
  }

  /** The next field if it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.#children[this.#at]?.tag === tag ? this.any() : undefined;
  }

  end(): void {
    if (this.#at < this.#children.length) {
      throw refused(this.#what, 'more in it than expected');
    }
  }
}

/** The children of a SEQUENCE OF or SET OF, at least one. */
export function elementsOf(element: DerElement, tag: number, what: string): readonly DerElement[] {
  expectTag(element, tag, what);
  if (element.children.length === 0) {
    throw refused(what, 'empty');
  }
  return element.children;
}

/** @throws AppError POLICY_CSR when the element has another tag */
export function expectTag(element: DerElement, tag: number, what: string): DerElement {
  if (element.tag !== tag) {
    throw refused(what, 'not of the expected type');
  }
  return element;
}

/** An OBJECT IDENTIFIER in dotted form. @param content of an element of any tag */
export function formatOid(content: Uint8Array, what: string): string {
  if (content.length > MAX_OID_BYTES || !isObjectIdentifier(content)) {
    throw refused(what, 'an object identifier that is wrong or too long');
  }
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const octet of content) {
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    if (octet < 0x80) {
      arcs.push(arc);
      arc = 0n;
    }
  }
  const [head = 0n, ...rest] = arcs;
  const root = head < 80n ? head / 40n : 2n;
  return [root, head - root * 40n, ...rest].join('.');
}

/** The OBJECT IDENTIFIER that an element is, in dotted form. */
export function parseOid(element: DerElement, what: string): string {
  return formatOid(expectTag(element, TAG.oid, what).content, what);
}

/**
 * A text of a name or subject: UTF8String, PrintableString or IA5String without control characters.
 */
export function parseText(element: DerElement, what: string): string {
  switch (element.tag) {
    case TAG.utf8String:
      return parseUtf8(element.content, what);
    case TAG.printableString: {
      const text = parseIa5(element.content, what);
      // X.680 §41.4: no asterisk, no underscore, no at sign.
      if (!/^[A-Za-z0-9 '()+,\-./:=?]+$/.test(text)) {
        throw refused(what, 'a PrintableString with other characters');
      }
      return text;
    }
    case TAG.ia5String:
      return parseIa5(element.content, what);
    default:
      throw refused(what, 'a text of an obsolete or unexpected type');
  }
}

/** ASCII text without control characters, at least one character. @param content of an IA5String */
export function parseIa5(content: Uint8Array, what: string): string {
  assertTextLength(content, what);
  if (!content.every((octet) => octet >= 0x20 && octet < 0x7f)) {
    throw refused(what, 'a text with control characters or beyond ASCII');
  }
  return Buffer.from(content).toString('latin1');
}

function parseUtf8(content: Uint8Array, what: string): string {
  assertTextLength(content, what);
  let text: string;
  try {
    text = utf8.decode(content);
  } catch (error) {
    throw new AppError('POLICY_CSR', `${what}: not UTF-8`, { cause: error });
  }
  if (/\p{Cc}/u.test(text)) {
    throw refused(what, 'a text with control characters');
  }
  return text;
}

function assertTextLength(content: Uint8Array, what: string): void {
  if (content.length === 0) {
    throw refused(what, 'an empty text');
  }
  if (content.length > MAX_TEXT_BYTES) {
    throw refused(what, `a text longer than ${MAX_TEXT_BYTES} bytes`);
  }
}

/** The content of a BIT STRING of whole octets, such as a key or a signature. */
export function parseOctetBits(element: DerElement, what: string): Uint8Array {
  const { content } = expectTag(element, TAG.bitString, what);
  if (content[0] !== 0 || content.length < 2) {
    throw refused(what, 'not a string of whole octets');
  }
  return content.subarray(1);
}

/** The octets of a positive INTEGER, without the leading zero that its sign may need. */
export function parsePositive(element: DerElement, what: string): Uint8Array {
  const { content } = expectTag(element, TAG.integer, what);
  const [first = 0] = content;
  if (first >= 0x80 || (first === 0 && content.length === 1)) {
    throw refused(what, 'a number that is not positive');
  }
  return first === 0 ? content.subarray(1) : content;
}
