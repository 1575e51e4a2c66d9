// Several key pairs with one CKA_ID in a token: each private key gets its own public key, or none.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { verifySignature } from '../../../src/jose/signature.js';
import { openAccountKey } from '../../../src/keys/open-account-key.js';
import { suiteScope } from '../../support/scope.js';
import { clientOf } from '../../support/daemon/clients.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { stateDirectoryOfTest } from '../../support/process.js';

describe('keys that share a CKA_ID', () => {
  const scope = suiteScope();

  it('are told apart by label and kind, and refused where that does not do', async () => {
    const hsm = await createSoftHsm(scope);
    const token = await hsm.addToken('twins');
    for (const [label, type] of [
      ['a', 'EC:prime256v1'],
      ['b', 'EC:prime256v1'],
      ['c', 'rsa:2048'],
    ] as const) {
      await hsm.addKey(token, { label, id: '01', type });
    }
    const context = {
      env: { ...process.env, ...hsm.env },
      log: () => undefined,
      stateDirectory: stateDirectoryOfTest,
    };
    const input = Buffer.from('input');
    for (const [label, algorithm] of [
      ['a', 'ES256'],
      ['b', 'ES256'],
      ['c', 'RS256'],
    ] as const) {
      const key = await openAccountKey(hsm.uri(token, { label }), context);
      try {
        assert.equal(key.algorithm, algorithm);
        const signature = (await key.sign(input, { client: clientOf('1') })).bytes;
        assert.ok(verifySignature(algorithm, key.publicKey, input, signature), label);
      } finally {
        await key.close();
      }
    }
    // Two public keys of one name, and the private half of one of them: nothing tells which.
    await hsm.addKey(token, { label: 'd', id: '02', type: 'EC:prime256v1' });
    await hsm.addKey(token, { label: 'd', id: '02', type: 'EC:prime256v1' });
    await hsm.tool(token, '--delete-object', '--type', 'privkey', '--label', 'd', '--id', '02');
    await assert.rejects(openAccountKey(hsm.uri(token, { label: 'd' }), context), {
      code: 'TOKEN_KEY_AMBIGUOUS',
    });
  });
});
