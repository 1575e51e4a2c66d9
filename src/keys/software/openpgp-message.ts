// The outer form of an OpenPGP message, checked before it is decrypted. Pure; runs in clavigerd and
// `clavigerd key`. gpg would also output a message that is only signed or not encrypted, and with
// some options one without integrity protection: only one encrypted and protected message, with
// nothing after it, is accepted.

import { AppError } from '../../lib/errors.js';

interface EncryptedMessage {
  /** The packets, without armor. */
  readonly binary: Buffer;
  /** True when a passphrase alone opens it (SKESK packet, RFC 9580 §5.3). */
  readonly hasPassphrase: boolean;
  /** True when it is encrypted to a public key (PKESK packet, RFC 9580 §5.1). */
  readonly hasRecipient: boolean;
}

/** Text may stand before and after the armor, as for gpg. */
const ARMOR =
  /^-----BEGIN PGP MESSAGE-----[ \t]*\n(?:[^\n:]+:[^\n]*\n)*[ \t]*\n([A-Za-z0-9+/=\s]+?)-----END PGP MESSAGE-----[ \t]*$/m;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const CHECKSUM = /\n=[A-Za-z0-9+/]{4}\s*$/;
const HINT = 'it is made by: gpg --encrypt --recipient NAME KEY.pem, or: gpg --symmetric KEY.pem';

// RFC 9580 §5; 20 is GnuPG 2.4's (draft-koch-librepgp §5.16).
const PUBLIC_KEY_SESSION_KEY = 1;
const SYMMETRIC_SESSION_KEY = 3;
const ENCRYPTED_WITHOUT_INTEGRITY = 9;
const MARKER = 10;
const ENCRYPTED_AND_PROTECTED = 18;
const ENCRYPTED_AEAD = 20;
const KEY_TAGS: ReadonlySet<number> = new Set([5, 6, 7, 14]);
const MAY_COME_FIRST: ReadonlySet<number> = new Set([
  PUBLIC_KEY_SESSION_KEY,
  SYMMETRIC_SESSION_KEY,
  MARKER,
]);

/**
 * Removes the armor and reads the headers of the packets.
 * @param name of the file, for errors.
 * @throws AppError KEY_DECRYPT for anything but one encrypted message with integrity protection
 */
export function parseEncryptedMessage(bytes: Buffer, name: string): EncryptedMessage {
  const binary = isBinary(bytes) ? bytes : withoutArmor(bytes);
  const tags = binary === undefined ? undefined : packetTags(binary);
  if (binary === undefined || tags === undefined || tags.length === 0) {
    throw badMessage(name, 'not an OpenPGP message, or cut short');
  }
  const end = tags.findIndex((tag) => !MAY_COME_FIRST.has(tag));
  if (end === -1) {
    throw badMessage(name, 'cut short: the encrypted data are missing');
  }
  const problem = problemOf(tags[end] ?? 0);
  if (problem !== undefined) {
    throw badMessage(name, problem);
  }
  if (end !== tags.length - 1) {
    throw badMessage(name, 'something follows the message');
  }
  const hasPassphrase = tags.includes(SYMMETRIC_SESSION_KEY);
  const hasRecipient = tags.includes(PUBLIC_KEY_SESSION_KEY);
  if (!hasPassphrase && !hasRecipient) {
    throw badMessage(name, 'encrypted to no key and with no passphrase');
  }
  return { binary, hasPassphrase, hasRecipient };
}

/** Why the packet after the session keys is refused. */
function problemOf(tag: number): string | undefined {
  switch (tag) {
    case ENCRYPTED_AND_PROTECTED:
    case ENCRYPTED_AEAD:
      return undefined;
    case ENCRYPTED_WITHOUT_INTEGRITY:
      return 'encrypted without integrity protection';
    default:
      return KEY_TAGS.has(tag)
        ? 'an OpenPGP key, not a message'
        : 'an OpenPGP message that is not encrypted';
  }
}

/**
 * The first bit of every packet is set (RFC 9580 §4.2), which is so for no character of armor, and
 * no packet begins like a byte order mark.
 */
function isBinary(bytes: Buffer): boolean {
  return ((bytes[0] ?? 0) & 0x80) !== 0 && !hasByteOrderMark(bytes);
}

/** True for a text file that begins with a byte order mark, which gpg does not skip. */
export function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
}

function withoutArmor(bytes: Buffer): Buffer | undefined {
  const start = hasByteOrderMark(bytes) ? BYTE_ORDER_MARK.length : 0;
  const text = bytes.toString('latin1', start).replaceAll('\r\n', '\n');
  const body = ARMOR.exec(text)?.[1];
  // Programs differ in which of two armored blocks they take.
  if (body === undefined || text.split('-----BEGIN PGP ').length !== 2) {
    return undefined;
  }
  // The checksum protects nothing and may be absent (RFC 9580 §6.1); the packets are protected.
  return Buffer.from(body.replace(CHECKSUM, ''), 'base64');
}

interface Packet {
  readonly tag: number;
  /** Offset of the first byte behind it. */
  readonly end: number;
}

/** The tags of the packets in their order; undefined when the bytes are not whole packets. */
function packetTags(bytes: Buffer): number[] | undefined {
  const tags: number[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const packet = readPacket(bytes, offset);
    if (packet === undefined) {
      return undefined;
    }
    tags.push(packet.tag);
    offset = packet.end;
  }
  return tags;
}

function readPacket(bytes: Buffer, offset: number): Packet | undefined {
  const first = bytes[offset] ?? 0;
  if ((first & 0x80) === 0) {
    return undefined;
  }
  const isNewFormat = (first & 0x40) !== 0;
  const tag = isNewFormat ? first & 0x3f : (first & 0x3c) >> 2;
  const end = isNewFormat
    ? endOfNewPacket(bytes, offset + 1)
    : endOfOldPacket(bytes, offset + 1, first & 0x03);
  return end === undefined || end > bytes.length ? undefined : { tag, end };
}

/** RFC 9580 §4.2.1; partial lengths follow each other, the last one is not partial. */
function endOfNewPacket(bytes: Buffer, start: number): number | undefined {
  let offset = start;
  for (;;) {
    const first = bytes[offset];
    if (first === undefined) {
      return undefined;
    }
    if (first < 192) {
      return offset + 1 + first;
    }
    if (first < 224) {
      return offset + 2 + ((first - 192) << 8) + (bytes[offset + 1] ?? 0) + 192;
    }
    if (first === 255) {
      return offset + 5 <= bytes.length ? offset + 5 + bytes.readUInt32BE(offset + 1) : undefined;
    }
    offset += 1 + 2 ** (first & 0x1f);
  }
}

/** RFC 9580 §4.2.2; a packet of length type 3 extends to the end. */
function endOfOldPacket(bytes: Buffer, start: number, lengthType: number): number | undefined {
  if (lengthType === 3) {
    return bytes.length;
  }
  const size = 2 ** lengthType;
  return start + size <= bytes.length ? start + size + bytes.readUIntBE(start, size) : undefined;
}

function badMessage(name: string, problem: string): AppError {
  return new AppError('KEY_DECRYPT', `account key: ${name}: ${problem}`, { hint: HINT });
}
