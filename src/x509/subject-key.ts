// Reads the public key in a CSR, a SubjectPublicKeyInfo (RFC 5280 §4.1). Pure; clavigerd and
// `clavigerd policy`. The key is a client's and is not trusted. Each key has exactly one accepted
// encoding, so that the hash of the encoding identifies the key: no compressed points, no explicit
// curves, no optional parameters.

import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { AppError } from '../lib/errors.js';
import { TAG, parseDer, type DerElement } from './der.js';
import { Fields, parseOctetBits, parseOid, parsePositive, refused } from './der-values.js';

export type SubjectKey =
  | { readonly type: 'rsa'; readonly bits: number }
  | { readonly type: 'p256' | 'p384' | 'p521' | 'ed25519' | 'ed448' };

interface ParsedSubjectKey {
  readonly key: SubjectKey;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly keyHash: string;
  /** @throws AppError POLICY_CSR for what OpenSSL refuses, such as a point off its curve */
  readonly importKey: () => KeyObject;
}

type Point = { readonly type: 'p256' | 'p384' | 'p521'; readonly octets: number };

const WHAT = 'csr key';
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;
const MAX_RSA_EXPONENT_OCTETS = 4;

const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';
const EC_PUBLIC_KEY = '1.2.840.10045.2.1';
const EDWARDS: Readonly<Record<string, { type: 'ed25519' | 'ed448'; octets: number }>> = {
  '1.3.101.112': { type: 'ed25519', octets: 32 },
  '1.3.101.113': { type: 'ed448', octets: 57 },
};
/** RFC 5480 §2.1.1.1, with the octets of a coordinate. */
const CURVES: Readonly<Record<string, Point>> = {
  '1.2.840.10045.3.1.7': { type: 'p256', octets: 32 },
  '1.3.132.0.34': { type: 'p384', octets: 48 },
  '1.3.132.0.35': { type: 'p521', octets: 66 },
};

/** @throws AppError POLICY_CSR for other kinds and sizes of keys, and other encodings */
export function parseSubjectKey(info: DerElement): ParsedSubjectKey {
  const fields = new Fields(info, WHAT);
  const algorithm = new Fields(fields.next(TAG.sequence), WHAT);
  const bits = parseOctetBits(fields.next(TAG.bitString), WHAT);
  fields.end();
  const key = parseKind(algorithm, bits);
  algorithm.end();
  return {
    key,
    keyHash: createHash('sha256').update(info.bytes).digest('hex'),
    importKey: () => importKey(info.bytes),
  };
}

function parseKind(algorithm: Fields, bits: Uint8Array): SubjectKey {
  const name = parseOid(algorithm.any(), WHAT);
  if (name === RSA_ENCRYPTION) {
    algorithm.next(TAG.null);
    return { type: 'rsa', bits: parseRsaBits(bits) };
  }
  if (name === EC_PUBLIC_KEY) {
    const curve = CURVES[parseOid(algorithm.any(), WHAT)];
    if (curve === undefined) {
      throw refused(WHAT, 'on a curve other than P-256, P-384 and P-521');
    }
    if (bits[0] !== 4 || bits.length !== 1 + 2 * curve.octets) {
      throw refused(WHAT, 'not an uncompressed point of its curve');
    }
    return { type: curve.type };
  }
  const edwards = EDWARDS[name];
  if (edwards === undefined) {
    throw refused(WHAT, `algorithm ${name} is not one of RSA, EC, Ed25519 and Ed448`);
  }
  if (bits.length !== edwards.octets) {
    throw refused(WHAT, 'of a wrong length');
  }
  return { type: edwards.type };
}

/** Size of the modulus in bits. RFC 8017 §A.1.1. */
function parseRsaBits(bits: Uint8Array): number {
  const fields = new Fields(parseDer(bits, WHAT), WHAT);
  const modulus = parsePositive(fields.any(), WHAT);
  const exponent = parsePositive(fields.any(), WHAT);
  fields.end();
  const size = modulus.length * 8 - (Math.clz32(modulus[0] ?? 0) - 24);
  if (size < MIN_RSA_BITS || size > MAX_RSA_BITS) {
    throw refused(WHAT, `RSA of ${size} bits, not ${MIN_RSA_BITS} to ${MAX_RSA_BITS}`);
  }
  const isOne = exponent.length === 1 && exponent[0] === 1;
  if (!isOdd(modulus) || !isOdd(exponent) || isOne || exponent.length > MAX_RSA_EXPONENT_OCTETS) {
    throw refused(WHAT, 'RSA with an unusable modulus or exponent');
  }
  return size;
}

function isOdd(number: Uint8Array): boolean {
  return ((number[number.length - 1] ?? 0) & 1) === 1;
}

function importKey(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (error) {
    throw new AppError('POLICY_CSR', `${WHAT}: not a valid key`, { cause: error });
  }
}
