// The JWS algorithms of account keys, RFC 7518 §3.1 and RFC 8037 §3.1, and their parameters. Pure;
// clavigerd, its token helper and claviger all use this one table.

import type { KeyObject } from 'node:crypto';
import { AppError } from '../lib/errors.js';

export type Algorithm = 'RS256' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA';
export type EcCurve = 'P-256' | 'P-384' | 'P-521';

interface AlgorithmFacts {
  readonly algorithm: Algorithm;
  /** Undefined for EdDSA, in which hashing is part of the algorithm. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | undefined;
  /**
   * The size of an ES* signature: r and s, each padded to the size of the curve (RFC 7518 §3.4).
   * Undefined where the size depends on the key.
   */
  readonly signatureBytes: number | undefined;
}

const FACTS: Readonly<Record<Algorithm, AlgorithmFacts>> = {
  RS256: { algorithm: 'RS256', hash: 'sha256', signatureBytes: undefined },
  ES256: { algorithm: 'ES256', hash: 'sha256', signatureBytes: 64 },
  ES384: { algorithm: 'ES384', hash: 'sha384', signatureBytes: 96 },
  ES512: { algorithm: 'ES512', hash: 'sha512', signatureBytes: 132 },
  EdDSA: { algorithm: 'EdDSA', hash: undefined, signatureBytes: undefined },
};

/** OpenSSL's curve names, as `asymmetricKeyDetails.namedCurve` gives them. */
const ALGORITHM_OF_CURVE: ReadonlyMap<string, Algorithm> = new Map([
  ['prime256v1', 'ES256'],
  ['secp384r1', 'ES384'],
  ['secp521r1', 'ES512'],
]);

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 4096;

export function algorithmFacts(algorithm: Algorithm): AlgorithmFacts {
  return FACTS[algorithm];
}

export function isAlgorithm(text: string): text is Algorithm {
  return Object.hasOwn(FACTS, text);
}

/**
 * The one algorithm a key signs with: RS256 for RSA of 2048 to 4096 bits, ES* by curve, EdDSA for
 * Ed25519 and Ed448.
 * @throws AppError JOSE_UNSUPPORTED_KEY naming the type or curve.
 */
export function algorithmOfKey(key: KeyObject): Algorithm {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'rsa': {
      const bits = details?.modulusLength ?? 0;
      if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
        throw unsupported(`RSA of ${bits} bits`);
      }
      return 'RS256';
    }
    case 'ec': {
      const curve = details?.namedCurve ?? 'unknown';
      const algorithm = ALGORITHM_OF_CURVE.get(curve);
      if (algorithm === undefined) {
        throw unsupported(`curve ${curve}`);
      }
      return algorithm;
    }
    case 'ed25519':
    case 'ed448':
      return 'EdDSA';
    default:
      throw unsupported(`key type ${key.asymmetricKeyType ?? 'unknown'}`);
  }
}

function unsupported(what: string): AppError {
  return new AppError('JOSE_UNSUPPORTED_KEY', `account key: ${what} is not supported`, {
    hint: 'use RSA of 2048 to 4096 bits, the curve P-256, P-384 or P-521, Ed25519 or Ed448',
  });
}
