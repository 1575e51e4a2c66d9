import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { installFiles } from '../../../../src/client/install/install.js';
import { openServerKey, readServerKey } from '../../../../src/client/install/server-key.js';
import { KEY_TYPES } from '../../../../src/config/client/schema.js';
import { mustRun } from '../../../support/process.js';
import { makeTempDir } from '../../../support/temp-dir.js';
import { newKey, pemOf } from '../../../support/client/test-ca.js';
import { makeKeyPair } from '../../../support/key-pair.js';

describe('openServerKey', () => {
  for (const type of KEY_TYPES.filter((name) => name !== 'rsa4096')) {
    it(`makes a ${type} key when there is none, and reads it again`, async (t) => {
      const path = join(await makeTempDir(t), 'key.pem');
      const made = await openServerKey(path, type);
      assert.ok(made.file !== undefined);
      // Beside an old certificate it would take the web server down.
      await assert.rejects(stat(path), { code: 'ENOENT' });
      await installFiles([made.file]);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.ok((await readFile(path, 'utf8')).startsWith('-----BEGIN PRIVATE KEY-----'));
      const again = await openServerKey(path, type);
      assert.equal(again.file, undefined);
      assert.ok(again.privateKey.equals(made.privateKey));
    });
  }

  it('makes a P-256 key unless told otherwise, and takes whatever is there', async (t) => {
    const folder = await makeTempDir(t);
    assert.equal((await openServerKey(join(folder, 'a'), undefined)).type, 'p256');
    await writeFile(join(folder, 'b'), pemOf(newKey('P-384')), { mode: 0o600 });
    assert.equal((await openServerKey(join(folder, 'b'), undefined)).type, 'p384');
  });

  it('is read with its curve by name and its point in full, however the file has them', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'key.pem');
    for (const [curve, type, ...encoding] of [
      ['prime256v1', 'p256', '-param_enc', 'explicit'],
      ['secp384r1', 'p384', '-param_enc', 'explicit'],
      ['prime256v1', 'p256', '-conv_form', 'compressed'],
    ] as const) {
      const plain = await mustRun('openssl', ['ecparam', '-name', curve, '-genkey', '-noout']);
      const odd = await mustRun('openssl', ['ec', ...encoding], { input: plain });
      await writeFile(path, odd, { mode: 0o600 });
      const key = await openServerKey(path, undefined);
      assert.equal(key.type, type);
      const spki = { type: 'spki', format: 'der' } as const;
      assert.deepEqual(
        createPublicKey(key.privateKey).export(spki),
        createPublicKey(plain).export(spki),
      );
      assert.notDeepEqual(createPublicKey(odd).export(spki), createPublicKey(plain).export(spki));
    }
  });

  it('does not use a key of another type than asked for', async (t) => {
    const path = join(await makeTempDir(t), 'key.pem');
    await writeFile(path, pemOf(newKey('P-384')), { mode: 0o600 });
    await assert.rejects(openServerKey(path, 'p256'), { code: 'CLIENT_KEY' });
  });

  it('takes a traditional PEM and a group that may read', async (t) => {
    const path = join(await makeTempDir(t), 'key.pem');
    const pem = newKey().export({ type: 'sec1', format: 'pem' });
    await writeFile(path, pem, { mode: 0o640 });
    assert.equal((await openServerKey(path, 'p256')).file, undefined);
  });

  for (const mode of [0o644, 0o604, 0o660, 0o602]) {
    it(`refuses a key file of mode ${mode.toString(8)}`, async (t) => {
      const path = join(await makeTempDir(t), 'key.pem');
      await writeFile(path, pemOf(newKey()));
      await chmod(path, mode);
      await assert.rejects(openServerKey(path, undefined), { code: 'CLIENT_KEY', hint: /chmod/ });
    });
  }

  const unusable: readonly (readonly [string, () => string | Buffer])[] = [
    ['no key', () => 'hello'],
    ['an empty file', () => ''],
    ['a file too large', () => Buffer.alloc(70_000, 0x20)],
    ['a curve no CA takes', () => pemOf(newKey('secp256k1'))],
    ['a short RSA key', () => pemOf(makeKeyPair('rsa', { modulusLength: 1024 }).privateKey)],
    ['an Ed25519 key', () => pemOf(makeKeyPair('ed25519').privateKey)],
    [
      'an encrypted key',
      () =>
        newKey().export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
    ],
  ];
  for (const [name, make] of unusable) {
    it(`refuses ${name}`, async (t) => {
      const path = join(await makeTempDir(t), 'key.pem');
      await writeFile(path, make(), { mode: 0o600 });
      await assert.rejects(openServerKey(path, undefined), { code: 'CLIENT_KEY' });
    });
  }

  it('refuses a FIFO, and does not wait for a writer', async (t) => {
    const path = join(await makeTempDir(t), 'fifo');
    await mustRun('mkfifo', ['-m', '0600', path]);
    await assert.rejects(openServerKey(path, undefined), { code: 'CLIENT_KEY' });
  });

  it('refuses a folder', async (t) => {
    const folder = await makeTempDir(t);
    await assert.rejects(openServerKey(folder, undefined), { code: 'CLIENT_KEY' });
  });
});

describe('readServerKey', () => {
  it('gives nothing for a missing file, and makes none', async (t) => {
    const path = join(await makeTempDir(t), 'key.pem');
    assert.equal(await readServerKey(path), undefined);
    await assert.rejects(stat(path), { code: 'ENOENT' });
  });

  it('reads the very key', async (t) => {
    const path = join(await makeTempDir(t), 'key.pem');
    const key = newKey();
    await writeFile(path, pemOf(key), { mode: 0o600 });
    assert.ok((await readServerKey(path))?.equals(createPrivateKey(pemOf(key))));
  });
});
