// DER made by hand, right or wrong on purpose. Used by test processes only.
// Nothing of src/ is used here, so that a mistake there is not made twice.

/** An element to be encoded: octets, or elements one after another. */
export interface DerPart {
  readonly tag: number;
  readonly content: Uint8Array | readonly DerPart[];
}

export function encodeDer({ tag, content }: DerPart): Buffer {
  const body =
    content instanceof Uint8Array ? content : Buffer.concat(content.map((part) => encodeDer(part)));
  return Buffer.concat([Buffer.of(tag), lengthOf(body.length), body]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) {
    return Buffer.of(length);
  }
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) {
    octets.unshift(rest % 256);
  }
  return Buffer.of(0x80 | octets.length, ...octets);
}

/** Reads what `encodeDer` wrote; a lenient mirror of it, for material that is known to be right. */
export function decodeDer(bytes: Uint8Array): DerPart {
  return decodeAll(bytes)[0] ?? NULL;
}

function decodeAll(bytes: Uint8Array): DerPart[] {
  const parts: DerPart[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1] ?? 0;
    const octets = first < 0x80 ? 0 : first & 0x7f;
    const start = at + 2 + octets;
    const long = Buffer.from(bytes.subarray(at + 2, start));
    const length = octets === 0 ? first : long.readUIntBE(0, octets);
    const content = bytes.subarray(start, start + length);
    parts.push({ tag, content: (tag & 0x20) === 0 ? content : decodeAll(content) });
    at = start + length;
  }
  return parts;
}

export function part(tag: number, content: Uint8Array | string | readonly DerPart[]): DerPart {
  return { tag, content: typeof content === 'string' ? Buffer.from(content) : content };
}

export const seq = (...parts: DerPart[]): DerPart => part(0x30, parts);
export const set = (...parts: DerPart[]): DerPart => part(0x31, parts);
export const octets = (content: Uint8Array): DerPart => part(0x04, content);
export const integer = (...content: number[]): DerPart => part(0x02, Buffer.of(...content));
export const utf8 = (text: string): DerPart => part(0x0c, text);
export const printableString = (text: string): DerPart => part(0x13, text);
export const NULL = part(0x05, '');
export const TRUE = part(0x01, Buffer.of(0xff));

/** A BIT STRING of whole octets. */
export function bits(content: Uint8Array): DerPart {
  return part(0x03, Buffer.concat([Buffer.of(0), content]));
}

export function oid(dotted: string): DerPart {
  return part(0x06, oidContent(dotted));
}

export function oidContent(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return Buffer.concat([first * 40 + second, ...rest].map(arcOctets));
}

function arcOctets(arc: number): Buffer {
  const digits = [arc % 128];
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
    digits.unshift(0x80 | (rest % 128));
  }
  return Buffer.from(digits);
}
