// The outer form of OpenPGP messages: what goes on to be decrypted, and what does not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseEncryptedMessage } from '../../../../src/keys/software/openpgp-message.js';
import { isAppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';

const RECIPIENT = newPacket(1, 94);
const PASSPHRASE = newPacket(3, 13);
const PROTECTED = newPacket(18, 266);
const GNUPG_AEAD = newPacket(20, 266);

/** A packet header in the new format, and zeros. */
function newPacket(tag: number, length: number): Buffer {
  const header =
    length < 192
      ? [0xc0 | tag, length]
      : [0xc0 | tag, 192 + ((length - 192) >> 8), (length - 192) & 0xff];
  return Buffer.concat([Buffer.from(header), Buffer.alloc(length)]);
}

/** The same in the old format, with a length of `size` bytes. */
function oldPacket(tag: number, length: number, size: 1 | 2 | 4): Buffer {
  const header = Buffer.alloc(1 + size);
  header.writeUInt8(0x80 | (tag << 2) | { 1: 0, 2: 1, 4: 2 }[size]);
  header.writeUIntBE(length, 1, size);
  return Buffer.concat([header, Buffer.alloc(length)]);
}

function armored(bytes: Buffer, { headers = '', checksum = '=aBcD\n', eol = '\n' } = {}): Buffer {
  const body = bytes.toString('base64').replace(/.{64}/g, '$&\n');
  const text = `-----BEGIN PGP MESSAGE-----\n${headers}\n${body}\n${checksum}-----END PGP MESSAGE-----\n`;
  return Buffer.from(text.replaceAll('\n', eol));
}

describe('encrypted message', () => {
  const both = Buffer.concat([RECIPIENT, PASSPHRASE, PROTECTED]);
  const partial = Buffer.concat([
    RECIPIENT,
    Buffer.from([0xc0 | 18, 224 | 9]),
    Buffer.alloc(512),
    Buffer.from([3, 0, 0, 0]),
  ]);
  for (const [what, bytes, hasRecipient, hasPassphrase] of [
    ['to a key', Buffer.concat([RECIPIENT, PROTECTED]), true, false],
    ['with a passphrase', Buffer.concat([PASSPHRASE, PROTECTED]), false, true],
    ['with both', both, true, true],
    ['behind a marker', Buffer.concat([newPacket(10, 3), RECIPIENT, PROTECTED]), true, false],
    ['as GnuPG 2.4 does it', Buffer.concat([RECIPIENT, GNUPG_AEAD]), true, false],
    ['in parts', partial, true, false],
    [
      'of old packets',
      Buffer.concat([oldPacket(1, 94, 1), oldPacket(3, 9, 4), PROTECTED]),
      true,
      true,
    ],
    ['up to the end', Buffer.concat([oldPacket(1, 94, 2), PROTECTED]), true, false],
  ] as const) {
    it(`${what} goes on, binary and armored`, () => {
      for (const file of [
        bytes,
        armored(bytes),
        armored(bytes, { checksum: '', eol: '\r\n' }),
        armored(bytes, { headers: 'Version: 1\nComment: a:b\n' }),
        Buffer.concat([Buffer.from('\ufeff'), armored(bytes)]),
        Buffer.concat([Buffer.from('Here is it:\n\n'), armored(bytes), Buffer.from('\nregards\n')]),
      ]) {
        const message = parseEncryptedMessage(file, 'x');
        assert.deepEqual(message, { binary: bytes, hasRecipient, hasPassphrase });
      }
    });
  }

  for (const [what, bytes, problem] of [
    ['nothing', Buffer.alloc(0), /not an OpenPGP message/],
    ['text', Buffer.from('hello'), /not an OpenPGP message/],
    ['an empty armor', armored(Buffer.alloc(0)), /not an OpenPGP message/],
    ['an armor with no end', armored(both).subarray(0, -20), /not an OpenPGP message/],
    [
      'a second armor of another kind',
      Buffer.concat([armored(both), Buffer.from('-----BEGIN PGP SIGNATURE-----\n')]),
      /not an OpenPGP message/,
    ],
    [
      'a begin within a line',
      Buffer.concat([Buffer.from('x'), armored(both)]),
      /not an OpenPGP message/,
    ],
    ['two armors', Buffer.concat([armored(both), armored(both)]), /not an OpenPGP message/],
    ['a cut packet', both.subarray(0, -1), /cut short/],
    ['no encrypted data', Buffer.concat([RECIPIENT, PASSPHRASE]), /cut short/],
    ['a marker alone', newPacket(10, 3), /cut short/],
    ['an endless length', Buffer.from([0xc1, 255, 255, 255, 255, 255, 0]), /cut short/],
    ['a length that is cut', Buffer.from([0xc1, 255, 0]), /cut short/],
    ['an old length that is cut', Buffer.from([0x86, 0]), /cut short/],
    ['no integrity protection', Buffer.concat([RECIPIENT, newPacket(9, 99)]), /without integrity/],
    ['the same, old', Buffer.concat([RECIPIENT, oldPacket(9, 99, 1)]), /without integrity/],
    ['literal data', newPacket(11, 9), /not encrypted/],
    ['compressed data', newPacket(8, 9), /not encrypted/],
    [
      'a signature before it',
      Buffer.concat([newPacket(4, 9), RECIPIENT, PROTECTED]),
      /not encrypted/,
    ],
    ['a secret key', newPacket(5, 9), /an OpenPGP key/],
    ['a public key', oldPacket(6, 9, 2), /an OpenPGP key/],
    ['no session key', PROTECTED, /encrypted to no key/],
    ['literal data behind it', Buffer.concat([both, newPacket(11, 9)]), /something follows/],
    ['another message behind it', Buffer.concat([both, both]), /something follows/],
  ] as const) {
    it(`with ${what} is refused`, async () => {
      const error = await appErrorOf(() => parseEncryptedMessage(bytes, 'x'), 'KEY_DECRYPT');
      assert.match(error.message, problem);
    });
  }

  it('is refused with an AppError or taken, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc.uint8Array({ maxLength: 600 }).map((body) => armored(Buffer.from(body))),
      fc.tuple(fc.nat(both.length - 1), fc.nat(255)).map(([at, value]) => {
        const changed = Buffer.from(both);
        changed.writeUInt8(value, at);
        return changed;
      }),
    );
    fc.assert(
      fc.property(bytes, (content) => {
        try {
          assert.ok(parseEncryptedMessage(Buffer.from(content), 'x').binary.length > 0);
        } catch (error) {
          assert.ok(isAppError(error, 'KEY_DECRYPT'));
        }
      }),
    );
  });
});
