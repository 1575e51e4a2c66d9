import assert from 'node:assert/strict';
import { type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createCsr } from '../../../../src/client/install/csr.js';
import { mustRun } from '../../../support/process.js';
import { makeTempDir } from '../../../support/temp-dir.js';
import { newKey } from '../../../support/client/test-ca.js';
import { makeKeyPair } from '../../../support/key-pair.js';

const NAMES = [
  { type: 'dns', value: 'a.test' },
  { type: 'dns', value: 'xn--bcher-kva.test' },
  { type: 'ip', value: '192.0.2.1' },
  { type: 'ip', value: '2001:db8::1' },
] as const;

const KEYS: Readonly<Record<string, () => KeyObject>> = {
  p256: () => newKey('P-256'),
  p384: () => newKey('P-384'),
  rsa2048: () => makeKeyPair('rsa', { modulusLength: 2048 }).privateKey,
};

describe('createCsr', () => {
  for (const [type, make] of Object.entries(KEYS)) {
    it(`makes what openssl verifies and reads, ${type}`, async (t) => {
      const path = join(await makeTempDir(t), 'csr.der');
      await writeFile(path, await createCsr(make(), NAMES));
      const text = await mustRun('openssl', [
        ...['req', '-inform', 'DER', '-in', path, '-verify', '-noout', '-text'],
      ]);
      assert.match(text, /Subject: *\n/);
      assert.match(
        text,
        /DNS:a\.test, DNS:xn--bcher-kva\.test, IP Address:192\.0\.2\.1, IP Address:2001:DB8:0:0:0:0:0:1/,
      );
    });
  }
});
