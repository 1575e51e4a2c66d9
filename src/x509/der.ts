// Reads DER (X.690 §10 and §11) to a tree of elements. Pure; clavigerd and `clavigerd policy` read
// the CSRs and certificates of clients with it, claviger its own. The input is not trusted. A CA
// reads the same bytes with another parser, so there must be one reading only: whatever BER allows
// and DER does not is refused, and nothing is skipped. What the elements mean is read in
// der-values.ts.

import { AppError } from '../lib/errors.js';

/** One element; its bytes are views of the input, not copies. */
export interface DerElement {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  /** The whole element, header and content. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
  /** The elements in a constructed element; empty for a primitive one. */
  readonly children: readonly DerElement[];
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The longest input: more than fits into a line of the protocol. */
export const MAX_DER_BYTES = 32 * 1024;
const MAX_DEPTH = 24;
const MAX_ELEMENTS = 8192;

const CONSTRUCTED = 0x20;
const CLASS_MASK = 0xc0;
const NUMBER_MASK = 0x1f;

/** The tag `[number]` of the context class. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return 0x80 | (form === 'constructed' ? CONSTRUCTED : 0) | number;
}

/**
 * Reads one element that takes up all of `bytes`.
 * @param what names the input in messages, such as `csr`
 * @throws AppError POLICY_CSR for anything but DER, too many or too deeply nested elements
 */
export function parseDer(bytes: Uint8Array, what: string): DerElement {
  if (bytes.length > MAX_DER_BYTES) {
    throw new AppError('POLICY_CSR', `${what}: longer than ${MAX_DER_BYTES} bytes`);
  }
  const reader = new Reader(what);
  const element = reader.read(bytes, 0);
  if (element.bytes.length !== bytes.length) {
    throw new AppError('POLICY_CSR', `${what}: bytes follow its end`);
  }
  return element;
}

class Reader {
  readonly #what: string;
  #elements = 0;

  constructor(what: string) {
    this.#what = what;
  }

  /** Reads the element at the beginning of `bytes`; others may follow it. */
  read(bytes: Uint8Array, depth: number): DerElement {
    this.#elements += 1;
    if (this.#elements > MAX_ELEMENTS || depth > MAX_DEPTH) {
      throw this.#malformed('too many elements');
    }
    const [tag, lengthOctet] = bytes;
    if (tag === undefined || lengthOctet === undefined) {
      throw this.#malformed('ends early');
    }
    if ((tag & NUMBER_MASK) === NUMBER_MASK) {
      throw this.#malformed('a tag of more than one byte');
    }
    const { start, end } = this.#extent(bytes, lengthOctet);
    const content = bytes.subarray(start, end);
    const isConstructed = (tag & CONSTRUCTED) !== 0;
    const children = isConstructed ? this.#readAll(content, depth + 1) : [];
    const element = { tag, bytes: bytes.subarray(0, end), content, children };
    if ((tag & CLASS_MASK) === 0) {
      this.#checkUniversal(element);
    }
    return element;
  }

  #readAll(content: Uint8Array, depth: number): readonly DerElement[] {
    const children: DerElement[] = [];
    for (let at = 0; at < content.length;) {
      const child = this.read(content.subarray(at), depth);
      children.push(child);
      at += child.bytes.length;
    }
    return children;
  }

  /** X.690 §10.1: the definite form, in as few octets as the length needs. */
  #extent(bytes: Uint8Array, first: number): { readonly start: number; readonly end: number } {
    let start = 2;
    let length = first;
    if (first >= 0x80) {
      const octets = first & 0x7f;
      if (octets === 0 || octets > 3) {
        throw this.#malformed('a length that is indefinite or too large');
      }
      start += octets;
      if (bytes.length < start) {
        throw this.#malformed('ends early');
      }
      length = bytes.subarray(2, start).reduce((sum, octet) => sum * 256 + octet, 0);
      if (length < 0x80 || length < 256 ** (octets - 1)) {
        throw this.#malformed('a length that is not in its shortest form');
      }
    }
    if (bytes.length < start + length) {
      throw this.#malformed('ends early');
    }
    return { start, end: start + length };
  }

  #checkUniversal({ tag, content, children }: DerElement): void {
    const number = tag & NUMBER_MASK;
    const isCollection =
      number === (TAG.sequence & NUMBER_MASK) || number === (TAG.set & NUMBER_MASK);
    if (number === 0 || isCollection !== ((tag & CONSTRUCTED) !== 0)) {
      throw this.#malformed('an element in a form that DER does not have');
    }
    const isRight = CONTENT_CHECKS[tag];
    if (isRight !== undefined && !isRight(content)) {
      throw this.#malformed('a value that is not in its DER form');
    }
    if (tag === TAG.set && !isAscending(children)) {
      throw this.#malformed('a set that is not in order');
    }
  }

  #malformed(problem: string): AppError {
    return new AppError('POLICY_CSR', `${this.#what}: not DER (${problem})`);
  }
}

/** The one DER form of values that BER can write in several: X.690 §8.2 to §8.20 and §11. */
const CONTENT_CHECKS: Readonly<Record<number, (content: Uint8Array) => boolean>> = {
  [TAG.boolean]: (content) => content.length === 1 && (content[0] === 0 || content[0] === 0xff),
  [TAG.integer]: isMinimalInteger,
  [TAG.bitString]: isBitString,
  [TAG.null]: (content) => content.length === 0,
  [TAG.oid]: isObjectIdentifier,
  [TAG.enumerated]: isMinimalInteger,
  [TAG.universalString]: (content) => content.length % 4 === 0,
  [TAG.bmpString]: (content) => content.length % 2 === 0,
};

function isMinimalInteger(content: Uint8Array): boolean {
  const [first, second] = content;
  if (first === undefined || second === undefined) {
    return first !== undefined;
  }
  return !(first === 0 && second < 0x80) && !(first === 0xff && second >= 0x80);
}

function isBitString(content: Uint8Array): boolean {
  const unused = content[0] ?? 8;
  if (unused > 7 || (content.length === 1 && unused !== 0)) {
    return false;
  }
  const last = content[content.length - 1] ?? 0;
  return content.length === 1 || (last & ((1 << unused) - 1)) === 0;
}

/** X.690 §8.19: arcs in as few octets as they need, the last one complete. */
export function isObjectIdentifier(content: Uint8Array): boolean {
  const isArcStart = (at: number): boolean => at === 0 || (content[at - 1] ?? 0) < 0x80;
  return (
    content.length > 0 &&
    (content[content.length - 1] ?? 0x80) < 0x80 &&
    content.every((octet, at) => octet !== 0x80 || !isArcStart(at))
  );
}

/** X.690 §11.6: the encodings of a set ascend; equal ones would be one value twice. */
function isAscending(children: readonly DerElement[]): boolean {
  return children.every((child, at) => {
    const before = children[at - 1];
    return before === undefined || Buffer.compare(before.bytes, child.bytes) < 0;
  });
}
