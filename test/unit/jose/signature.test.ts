import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CompactSign, compactVerify } from 'jose';
import { algorithmFacts } from '../../../src/jose/algorithms.js';
import { signWithKey, verifySignature } from '../../../src/jose/signature.js';
import { makeKey } from '../../support/keys/keys.js';

for (const algorithm of ['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const) {
  describe(`signatures with ${algorithm}`, () => {
    const { privateKey, publicKey } = makeKey(algorithm);

    it('are taken by another implementation', async () => {
      const input = `${Buffer.from(JSON.stringify({ alg: algorithm })).toString('base64url')}.aGk`;
      const signature = await signWithKey(algorithm, privateKey, Buffer.from(input));
      const { signatureBytes } = algorithmFacts(algorithm);
      assert.equal(signature.length, signatureBytes ?? (algorithm === 'EdDSA' ? 64 : 256));
      const verified = await compactVerify(
        `${input}.${signature.toString('base64url')}`,
        publicKey,
      );
      assert.equal(Buffer.from(verified.payload).toString(), 'hi');
    });

    it('of another implementation verify', async () => {
      const jws = await new CompactSign(Buffer.from('hi'))
        .setProtectedHeader({ alg: algorithm })
        .sign(privateKey);
      const at = jws.lastIndexOf('.');
      const signature = Buffer.from(jws.slice(at + 1), 'base64url');
      const input = Buffer.from(jws.slice(0, at));
      assert.equal(verifySignature(algorithm, publicKey, input, signature), true);
    });

    it('do not verify when a bit, the input, the key or the length differs', async () => {
      const input = Buffer.from('input');
      const signature = await signWithKey(algorithm, privateKey, input);
      const flipped = Buffer.from(signature);
      flipped[20] = (flipped[20] ?? 0) ^ 1;
      const other = makeKey(algorithm).publicKey;
      assert.equal(verifySignature(algorithm, publicKey, input, flipped), false);
      assert.equal(verifySignature(algorithm, publicKey, Buffer.from('other'), signature), false);
      assert.equal(verifySignature(algorithm, other, input, signature), false);
      assert.equal(verifySignature(algorithm, publicKey, input, signature.subarray(1)), false);
      assert.equal(verifySignature(algorithm, publicKey, input, Buffer.alloc(0)), false);
    });
  });
}
