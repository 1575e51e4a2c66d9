// Private keys of the virtual card and the operations of PIV with them: raw RSA, ECDSA over a given
// hash, ECDH, and the encoding of the public key. Part of the virtual card.

import {
  constants,
  createECDH,
  createPublicKey,
  diffieHellman,
  privateEncrypt,
  type KeyObject,
} from 'node:crypto';
import { StatusError, SW } from './apdu.js';
import { formatTlv } from './tlv.js';
import { makeKeyPair } from '../support/key-pair.js';

export const KEY_TYPES = ['rsa2048', 'p256', 'p384'] as const;
export type CardKeyType = (typeof KEY_TYPES)[number];

/** SP 800-78-4 table 6-2. */
const ALGORITHM: Readonly<Record<CardKeyType, number>> = { rsa2048: 0x07, p256: 0x11, p384: 0x14 };

interface CurveFacts {
  readonly name: string;
  readonly fieldBytes: number;
  readonly order: bigint;
  /** DER of SubjectPublicKeyInfo up to the point. */
  readonly spkiPrefix: Buffer;
}

const CURVES: Readonly<Record<'p256' | 'p384', CurveFacts>> = {
  p256: {
    name: 'prime256v1',
    fieldBytes: 32,
    order: BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
    spkiPrefix: Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex'),
  },
  p384: {
    name: 'secp384r1',
    fieldBytes: 48,
    order: BigInt(
      '0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973',
    ),
    spkiPrefix: Buffer.from('3076301006072a8648ce3d020106052b81040022036200', 'hex'),
  },
};

export class CardKey {
  readonly type: CardKeyType;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;

  constructor(type: CardKeyType) {
    this.type = type;
    const { privateKey, publicKey } =
      type === 'rsa2048'
        ? makeKeyPair('rsa', { modulusLength: 2048 })
        : makeKeyPair('ec', { namedCurve: CURVES[type].name });
    this.privateKey = privateKey;
    this.publicKey = publicKey;
  }

  get algorithm(): number {
    return ALGORITHM[this.type];
  }

  /** Public key as GENERATE ASYMMETRIC gives it, within tag 7F49. */
  formatPublic(): Buffer {
    const jwk = this.publicKey.export({ format: 'jwk' });
    const bytes = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');
    if (this.type === 'rsa2048') {
      return Buffer.concat([formatTlv(0x81, bytes(jwk.n)), formatTlv(0x82, bytes(jwk.e))]);
    }
    return formatTlv(0x86, Buffer.from([4]), bytes(jwk.x), bytes(jwk.y));
  }

  /** GENERAL AUTHENTICATE with a challenge: RSA as it is, ECDSA in DER. @throws StatusError 6A80 */
  sign(challenge: Buffer): Buffer {
    if (this.type !== 'rsa2048') {
      return signHash(this.privateKey, CURVES[this.type], challenge);
    }
    if (challenge.length !== 256) {
      throw new StatusError(SW.wrongData);
    }
    return privateEncrypt({ key: this.privateKey, padding: constants.RSA_NO_PADDING }, challenge);
  }

  /** GENERAL AUTHENTICATE with a point: the shared secret. @throws StatusError 6A80 */
  agree(point: Buffer): Buffer {
    if (this.type === 'rsa2048') {
      throw new StatusError(SW.wrongData);
    }
    const { spkiPrefix } = CURVES[this.type];
    const spki = Buffer.concat([spkiPrefix, point]);
    try {
      const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
      return diffieHellman({ privateKey: this.privateKey, publicKey });
    } catch {
      throw new StatusError(SW.wrongData);
    }
  }
}

/** The type with this PIV algorithm identifier. */
export function typeOfAlgorithm(algorithm: number): CardKeyType | undefined {
  return KEY_TYPES.find((type) => ALGORITHM[type] === algorithm);
}

/** FIPS 186-4 §6.4; node:crypto would hash what is hashed already. */
function signHash(key: KeyObject, curve: CurveFacts, hash: Buffer): Buffer {
  const { order, fieldBytes } = curve;
  const d = toBigInt(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'));
  const e = toBigInt(hash.subarray(0, fieldBytes));
  for (;;) {
    const ephemeral = createECDH(curve.name);
    const point = ephemeral.generateKeys();
    const r = toBigInt(point.subarray(1, 1 + fieldBytes)) % order;
    const s = (invert(toBigInt(ephemeral.getPrivateKey()), order) * (e + r * d)) % order;
    if (r !== 0n && s !== 0n) {
      return formatTlv(0x30, formatInteger(r), formatInteger(s));
    }
  }
}

function toBigInt(bytes: Buffer): bigint {
  return BigInt(`0x0${bytes.toString('hex')}`);
}

/** DER INTEGER of a number that is not negative. */
export function formatInteger(value: bigint): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  const needsZero = ((bytes[0] ?? 0) & 0x80) !== 0;
  return formatTlv(0x02, Buffer.from(needsZero ? [0] : []), bytes);
}

/** Extended Euclid; the order of a curve is prime. */
function invert(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b] = [b, a - quotient * b];
    [x, y] = [y, x - quotient * y];
  }
  return ((x % modulus) + modulus) % modulus;
}
