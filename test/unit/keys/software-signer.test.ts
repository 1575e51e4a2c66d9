import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verifySignature } from '../../../src/jose/signature.js';
import { SoftwareSigner } from '../../../src/keys/software-signer.js';
import { makeKey } from '../../support/keys.js';

const key = makeKey('ES256');

describe('SoftwareSigner', () => {
  it('signs one after another and many at once, each over its own input', async () => {
    const signer = new SoftwareSigner('ES256', key.privateKey);
    for (const count of [1, 1, 20, 1, 3]) {
      const inputs = Array.from({ length: count }, (_, at) => Buffer.from(`input ${at}`));
      const signatures = await Promise.all(inputs.map((input) => signer.sign(input)));
      for (const [at, signature] of signatures.entries()) {
        const input = inputs[at] ?? Buffer.alloc(0);
        assert.ok(verifySignature('ES256', key.publicKey, input, signature));
      }
    }
  });

  it('leaves this thread free once requests come together', async () => {
    const signer = new SoftwareSigner('RS256', makeKey('RS256').privateKey);
    const finished: string[] = [];
    const all = [1, 2, 3].map((at) => signer.sign(Buffer.from(`${at}`)));
    void Promise.resolve().then(() => finished.push('turn'));
    await Promise.all(all.map((one) => one.then(() => finished.push('signature'))));
    // The first was signed on this thread; the others were not done before this thread went on.
    assert.ok(finished.indexOf('turn') < finished.lastIndexOf('signature'));
  });
});
