// BER-TLV as PIV uses it (SP 800-73-4 part 2), and DER for certificates. Pure; part of the virtual
// card. Lengths are definite; what is cut short is an error, which the card answers with a status
// word.

export interface Tlv {
  readonly tag: number;
  readonly value: Buffer;
}

/** One TLV; tags up to four bytes, for instance 0x7f49. */
export function formatTlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const tagBytes = Buffer.from(evenHex(tag), 'hex');
  return Buffer.concat([tagBytes, formatLength(value.length), value]);
}

function formatLength(length: number): Buffer {
  if (length < 0x80) {
    return Buffer.from([length]);
  }
  const bytes = Buffer.from(evenHex(length), 'hex');
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

function evenHex(value: number): string {
  const hex = value.toString(16);
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}

/** All TLVs of a string of bytes, in order. @throws RangeError when one is cut short. */
export function parseTlvs(bytes: Buffer): Tlv[] {
  const found: Tlv[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    let tag = bytes.readUInt8(offset++);
    if ((tag & 0x1f) === 0x1f) {
      let next = 0x80;
      while ((next & 0x80) !== 0) {
        next = bytes.readUInt8(offset++);
        tag = tag * 256 + next;
      }
    }
    let length = bytes.readUInt8(offset++);
    if (length >= 0x80) {
      const count = length & 0x7f;
      length = count === 0 ? 0 : bytes.readUIntBE(offset, count);
      offset += count;
    }
    if (offset + length > bytes.length) {
      throw new RangeError('a TLV is cut short');
    }
    found.push({ tag, value: bytes.subarray(offset, offset + length) });
    offset += length;
  }
  return found;
}

/** The value of the first TLV with this tag. */
export function valueOf(tlvs: readonly Tlv[], tag: number): Buffer | undefined {
  return tlvs.find((tlv) => tlv.tag === tag)?.value;
}
