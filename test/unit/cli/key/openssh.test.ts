// Public keys for OpenSSH: ssh-keygen reads each, and finds the same key in it.

import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatOpenSshKey } from '../../../../src/cli/key/openssh.js';
import { jwkOfKey } from '../../../../src/jose/public-jwk.js';
import { mustRun } from '../../../support/process.js';
import { makeTempDir } from '../../../support/temp-dir.js';
import { makeKeyPair } from '../../../support/key-pair.js';

const KEYS: Readonly<Record<string, () => { publicKey: KeyObject }>> = {
  'ssh-rsa': () => makeKeyPair('rsa', { modulusLength: 2048 }),
  'ecdsa-sha2-nistp256': () => makeKeyPair('ec', { namedCurve: 'P-256' }),
  'ecdsa-sha2-nistp384': () => makeKeyPair('ec', { namedCurve: 'P-384' }),
  'ecdsa-sha2-nistp521': () => makeKeyPair('ec', { namedCurve: 'P-521' }),
};

describe('OpenSSH public key', () => {
  for (const [type, make] of Object.entries(KEYS)) {
    it(`${type} is the same key to ssh-keygen`, async (t) => {
      const { publicKey } = make();
      const path = join(await makeTempDir(t), 'key.pub');
      const line = formatOpenSshKey(jwkOfKey(publicKey)) ?? '';
      assert.ok(line.startsWith(`${type} `));
      writeFileSync(path, `${line}\n`);
      const pem = await mustRun('ssh-keygen', ['-e', '-m', 'PKCS8', '-f', path]);
      assert.ok(createPublicKey(pem).equals(publicKey));
    });
  }

  it('ssh-ed25519 is what ssh-keygen writes', async (t) => {
    const path = join(await makeTempDir(t), 'key');
    await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path]);
    const line = (await mustRun('ssh-keygen', ['-y', '-f', path])).trim();
    const x = Buffer.from(line.split(' ')[1] ?? '', 'base64')
      .subarray(-32)
      .toString('base64url');
    assert.equal(formatOpenSshKey({ crv: 'Ed25519', kty: 'OKP', x }), line);
  });

  it('does not exist for Ed448', () => {
    assert.equal(formatOpenSshKey(jwkOfKey(makeKeyPair('ed448').publicKey)), undefined);
  });
});
