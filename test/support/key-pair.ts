// Key pairs for tests, read from their DER. A key as generateKeyPairSync returns it shares a lock
// with the job that made it, and the garbage collector may end that job while asymmetricKeyDetails
// or export holds the lock: Node 20 then waits for ever. A key that was read shares nothing.

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';

type KeyPairType = 'rsa' | 'dsa' | 'ec' | 'ed25519' | 'ed448' | 'x25519';

interface KeyPairOptions {
  readonly modulusLength?: number;
  readonly divisorLength?: number;
  readonly namedCurve?: string;
}

export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const privateKeyEncoding = { type: 'pkcs8', format: 'der' } as const;
const publicKeyEncoding = { type: 'spki', format: 'der' } as const;

/** A new key pair; type and options are those of generateKeyPairSync. */
export function makeKeyPair(type: KeyPairType, options: KeyPairOptions = {}): KeyPair {
  const key = generateDer(type, options);
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** PKCS #8. */
function generateDer(type: KeyPairType, options: KeyPairOptions): Buffer {
  const { modulusLength = 2048, divisorLength = 256, namedCurve = 'P-256' } = options;
  switch (type) {
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength, privateKeyEncoding, publicKeyEncoding })
        .privateKey;
    case 'dsa': {
      const lengths = { modulusLength, divisorLength };
      return generateKeyPairSync('dsa', { ...lengths, privateKeyEncoding, publicKeyEncoding })
        .privateKey;
    }
    case 'ec':
      return generateKeyPairSync('ec', { namedCurve, privateKeyEncoding, publicKeyEncoding })
        .privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519', { privateKeyEncoding, publicKeyEncoding }).privateKey;
    case 'ed448':
      return generateKeyPairSync('ed448', { privateKeyEncoding, publicKeyEncoding }).privateKey;
    case 'x25519':
      return generateKeyPairSync('x25519', { privateKeyEncoding, publicKeyEncoding }).privateKey;
  }
}
