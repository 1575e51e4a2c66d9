// Strict base64url, RFC 4648 §5 without padding, as RFC 7515 §2 wants it. Pure.
// Only the canonical encoding of a byte string is accepted, so that a signature has one possible
// input.

import { AppError } from './errors.js';

const ALPHABET = /^[A-Za-z0-9_-]*$/;

export function encodeBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** True when `text` is the canonical, unpadded base64url encoding of some bytes. */
export function isBase64Url(text: string): boolean {
  return ALPHABET.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text;
}

/**
 * Decodes canonical base64url.
 * @throws AppError LIB_BASE64URL for padding, a foreign character, or non-zero trailing bits.
 */
export function decodeBase64Url(text: string): Buffer {
  if (ALPHABET.test(text)) {
    const bytes = Buffer.from(text, 'base64url');
    if (bytes.toString('base64url') === text) {
      return bytes;
    }
  }
  throw new AppError('LIB_BASE64URL', 'base64url: not canonical');
}
