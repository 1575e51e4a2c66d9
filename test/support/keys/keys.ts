// Software keys for tests, made once a process.

import { type KeyObject } from 'node:crypto';
import { algorithmOfKey, type Algorithm } from '../../../src/jose/algorithms.js';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { signWithKey } from '../../../src/jose/signature.js';
import type { AccountKey, KeySignature } from '../../../src/keys/account-key.js';
import { recordPrivateKey } from '../transcript.js';
import { makeKeyPair } from '../key-pair.js';

export interface TestKey {
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** PKCS #8 PEM. */
  readonly pem: string;
}

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const;

/** A new key; its lines are noted as secrets that no log may hold. */
export function makeKey(algorithm: Algorithm): TestKey {
  const { privateKey, publicKey } = generatePair(algorithm);
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  recordPrivateKey(pem);
  return { algorithm, privateKey, publicKey, pem };
}

function generatePair(algorithm: Algorithm): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (algorithm) {
    case 'RS256':
      return makeKeyPair('rsa', { modulusLength: 2048 });
    case 'EdDSA':
      return makeKeyPair('ed25519');
    default:
      return makeKeyPair('ec', { namedCurve: CURVES[algorithm] });
  }
}

/** An account key that signs in this process, with the real algorithm. */
export function accountKeyOf({ privateKey, publicKey }: TestKey): AccountKey {
  const algorithm = algorithmOfKey(privateKey);
  return {
    algorithm,
    jwk: jwkOfKey(publicKey),
    publicKey,
    description: 'test key',
    sign: async (input) => signatureOf(await signWithKey(algorithm, privateKey, input)),
    cancel: () => undefined,
    close: () => Promise.resolve(),
  };
}

/** A signature as a key returns it. */
export function signatureOf(bytes: Buffer, reject: () => void = () => undefined): KeySignature {
  return { bytes, beganAt: 0, reject };
}
