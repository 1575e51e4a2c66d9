// Writes DER (X.690), as much of it as certificate requests and keys need. Pure; claviger and
// `clavigerd key`. What is written comes from our own configuration and keys; der.ts reads DER.

/** The tags of the elements that are written. */
export const DER = {
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OBJECT_IDENTIFIER: 0x06,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

/**
 * One element: the tag, the length in its shortest form (X.690 §10.1), and the contents one after
 * the other.
 */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.of(tag), lengthOctets(content.length), content]);
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) {
    return Buffer.of(length);
  }
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(length);
  const digits = octets.subarray(octets.findIndex((octet) => octet !== 0));
  return Buffer.concat([Buffer.of(0x80 | digits.length), digits]);
}

/** A BIT STRING of whole octets. */
export function bitString(content: Uint8Array): Buffer {
  return element(DER.BIT_STRING, Buffer.of(0), content);
}

/** An OBJECT IDENTIFIER from its dotted form, X.690 §8.19. */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const arcs = [first * 40 + second, ...rest];
  return element(DER.OBJECT_IDENTIFIER, Buffer.from(arcs.flatMap(base128)));
}

function base128(arc: number): number[] {
  const digits = [arc & 0x7f];
  for (let rest = arc >>> 7; rest > 0; rest >>>= 7) {
    digits.unshift((rest & 0x7f) | 0x80);
  }
  return digits;
}
