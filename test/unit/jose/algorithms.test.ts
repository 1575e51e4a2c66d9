import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { algorithmFacts, algorithmOfKey } from '../../../src/jose/algorithms.js';
import { makeKeyPair } from '../../support/key-pair.js';

/** An RSA public key whose modulus has that many bits; it need not be the product of two primes. */
function rsaKey(bits: number): KeyObject {
  const modulus = Buffer.alloc(Math.ceil(bits / 8), 0xff);
  modulus[0] = 0xff >> (modulus.length * 8 - bits);
  const jwk = { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' };
  return createPublicKey({ key: jwk, format: 'jwk' });
}

describe('algorithmOfKey', () => {
  it('takes RSA of 2048 to 4096 bits', () => {
    assert.equal(algorithmOfKey(rsaKey(2048)), 'RS256');
    assert.equal(algorithmOfKey(rsaKey(4096)), 'RS256');
    for (const bits of [2047, 4097]) {
      assert.throws(() => algorithmOfKey(rsaKey(bits)), {
        code: 'JOSE_UNSUPPORTED_KEY',
        message: `account key: RSA of ${bits} bits is not supported`,
      });
    }
  });

  it('names what it does not take', () => {
    for (const [key, what] of [
      [makeKeyPair('x25519').publicKey, 'key type x25519'],
      [makeKeyPair('ec', { namedCurve: 'secp256k1' }).publicKey, 'curve secp256k1'],
    ] as const) {
      assert.throws(() => algorithmOfKey(key), {
        message: `account key: ${what} is not supported`,
      });
    }
  });
});

describe('algorithmFacts', () => {
  it('has hash and size of each', () => {
    const facts = (['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const).map((name) => {
      const { algorithm, hash, signatureBytes } = algorithmFacts(name);
      return [algorithm, hash, signatureBytes];
    });
    assert.deepEqual(facts, [
      ['RS256', 'sha256', undefined],
      ['ES256', 'sha256', 64],
      ['ES384', 'sha384', 96],
      ['ES512', 'sha512', 132],
      ['EdDSA', undefined, undefined],
    ]);
  });
});
