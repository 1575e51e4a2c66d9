// Certificate requests signed by account keys: OpenSSL finds the signature right, and the name in
// it.

import assert from 'node:assert/strict';
import { type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { createRequest } from '../../../../src/cli/key/request.js';
import { softwareAccountKey } from '../../../../src/keys/software/software-key.js';
import { runCommand } from '../../../support/process.js';
import { makeKeyPair } from '../../../support/key-pair.js';

const KEYS: Readonly<Record<string, () => { privateKey: KeyObject }>> = {
  'RSA-2048': () => makeKeyPair('rsa', { modulusLength: 2048 }),
  'RSA-4096': () => makeKeyPair('rsa', { modulusLength: 4096 }),
  'P-256': () => makeKeyPair('ec', { namedCurve: 'P-256' }),
  'P-384': () => makeKeyPair('ec', { namedCurve: 'P-384' }),
  'P-521': () => makeKeyPair('ec', { namedCurve: 'P-521' }),
  Ed25519: () => makeKeyPair('ed25519'),
  Ed448: () => makeKeyPair('ed448'),
};
/** So that numbers with zero bytes in front come up. */
const TRIES = 8;

describe('certificate request', () => {
  for (const [type, make] of Object.entries(KEYS)) {
    it(`of ${type} is verified by OpenSSL`, async () => {
      const key = softwareAccountKey(make().privateKey, 'file:/k');
      for (let n = 0; n < (key.jwk.kty === 'EC' ? TRIES : 1); n++) {
        const input = await createRequest(key, `www${n}.example.org`);
        const args = ['req', '-verify', '-noout', '-text', '-pubkey'];
        const { code, stdout, stderr } = await runCommand('openssl', args, { input });
        assert.equal(code, 0, stderr);
        assert.match(stderr, /verify OK/);
        assert.match(stdout, new RegExp(`DNS:www${n}\\.example\\.org\n`));
        const pem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
        assert.ok(stdout.includes(pem));
      }
    });
  }
});
