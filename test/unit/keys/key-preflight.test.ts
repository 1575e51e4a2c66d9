// What `clavigerd --check` finds out about a key without opening it.

import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { checkKeyReplica } from '../../../src/keys/key-preflight.js';
import { appErrorOf } from '../../support/app-error.js';
import { makeKey } from '../../support/keys/keys.js';
import { makeTempDir } from '../../support/temp-dir.js';

type Context = Parameters<typeof checkKeyReplica>[1];

const MODULE = 'module-path=/etc/hostname';
const { pem, privateKey } = makeKey('ES256');
const ENCRYPTED = privateKey
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  .toString();

/** @returns what could not be checked */
async function check(privkey: string, context: Partial<Context> = {}): Promise<string[]> {
  const notes: string[] = [];
  await checkKeyReplica(privkey, { env: {}, ...context }, (text) => {
    notes.push(text);
  });
  return notes;
}

async function fileWith(t: TestContext, content: string, mode = 0o600): Promise<string> {
  const path = join(await makeTempDir(t), 'key');
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

describe('the check of a key in a token', () => {
  it('finds the module, or that there is none', async () => {
    assert.deepEqual(await check(`pkcs11:object=k?${MODULE}&pin-value=1234`), []);
    const missing = 'pkcs11:object=k?module-path=/nonexistent.so&pin-value=1234';
    await appErrorOf(() => check(missing), 'TOKEN_MODULE');
    await appErrorOf(() => check('pkcs11:tokne=a'), 'KEY_URI');
  });

  it('reads the source of the PIN: the one of the URI before that of the setting', async () => {
    const privkey = `pkcs11:object=k?${MODULE}`;
    const env = { PIN: '1234' };
    assert.deepEqual(await check(privkey, { pinSource: 'env:PIN', env }), []);
    await appErrorOf(() => check(privkey, { pinSource: 'env:PIN', env: {} }), 'KEY_PIN_SOURCE');
    await appErrorOf(() => check(privkey, { pinSource: 'file:/nonexistent' }), 'SYS_PATH');
    const own = `pkcs11:object=k?${MODULE}&pin-source=pinpad`;
    assert.deepEqual(await check(own, { pinSource: 'env:PIN', env: {} }), []);
  });

  const notes: readonly (readonly [string | undefined, RegExp])[] = [
    [undefined, /the PIN is asked for on the terminal, at the start/],
    ['prompt', /the PIN is asked for on the terminal, at the start/],
    ['credential:pin', /the credential pin is there for the service alone/],
    ['|/bin/true', /the command was not run/],
  ];
  for (const [pinSource, note] of notes) {
    it(`notes what it cannot check of ${pinSource ?? 'the default'}`, async () => {
      const [found, ...others] = await check(`pkcs11:object=k?${MODULE}`, { pinSource });
      assert.match(found ?? '', note);
      assert.deepEqual(others, []);
    });
  }

  it('reads a credential where there are some', async (t) => {
    const folder = await makeTempDir(t);
    const env = { CREDENTIALS_DIRECTORY: folder };
    const source = { pinSource: 'credential:pin', env };
    const privkey = `pkcs11:object=k?${MODULE}`;
    await assert.rejects(check(privkey, source));
    writeFileSync(join(folder, 'pin'), '1234\n', { mode: 0o400 });
    assert.deepEqual(await check(privkey, source), []);
    assert.equal(
      (await check(privkey, { ...source, env: { CREDENTIALS_DIRECTORY: '' } })).length,
      1,
    );
  });

  it('finds the programs that a source needs, or that they are missing', async () => {
    const privkey = `pkcs11:object=k?${MODULE}`;
    const found = { pinSource: 'pinentry', pinentry: ['/bin/true'] } as const;
    assert.deepEqual(await check(privkey, found), []);
    const missing = { pinSource: 'pinentry', pinentry: ['/nonexistent'] } as const;
    await appErrorOf(() => check(privkey, missing), 'SYS_PATH');
    await appErrorOf(() => check(privkey, { pinSource: '|/nonexistent' }), 'SYS_PATH');
  });
});

describe('the check of a key in a file', () => {
  it('takes a PEM key, and an encrypted one whose passphrase can be had', async (t) => {
    assert.deepEqual(await check(`file:${await fileWith(t, pem)}`), []);
    const path = await fileWith(t, ENCRYPTED);
    assert.deepEqual(await check(`file:${path}`, { pinSource: 'env:P', env: { P: 'x' } }), []);
    await appErrorOf(() => check(`file:${path}`, { pinSource: 'env:P' }), 'KEY_PIN_SOURCE');
  });

  it('refuses a relative path, another format, and a file that others can read', async (t) => {
    for (const scheme of ['file:', 'gpg:', 'openpgp:']) {
      const error = await appErrorOf(() => check(`${scheme}key.pem`), 'KEY_FILE');
      assert.equal(error.message, 'account key: key.pem: the path is not absolute');
    }
    const noise = await fileWith(t, 'noise');
    await appErrorOf(() => check(`file:${noise}`), 'KEY_FILE');
    const damaged = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
    const path = await fileWith(t, damaged);
    await appErrorOf(() => check(`file:${path}`), 'KEY_FILE');
    const open = await fileWith(t, pem, 0o644);
    await appErrorOf(() => check(`file:${open}`), 'SYS_UNSAFE_PATH');
  });

  it('takes a file for gpg that gpg is there for', async (t) => {
    const path = await fileWith(t, 'encrypted', 0o644);
    assert.deepEqual(await check(`gpg:${path}`, { gpg: ['/bin/true', '--quiet'] }), []);
    await appErrorOf(() => check(`gpg:${path}`, { gpg: ['/nonexistent'] }), 'SYS_PATH');
    const missing = { gpg: ['/bin/true'] } as const;
    await appErrorOf(() => check('gpg:/nonexistent', missing), 'SYS_PATH');
    const writable = await fileWith(t, 'encrypted', 0o666);
    await appErrorOf(() => check(`gpg:${writable}`, missing), 'SYS_UNSAFE_PATH');
  });

  it('takes an OpenPGP file whose secret key or passphrase can be had', async (t) => {
    const privkey = `openpgp:${await fileWith(t, 'encrypted')}`;
    const openpgpKey = await fileWith(t, 'secret');
    assert.deepEqual(await check(privkey, { openpgpKey }), []);
    await appErrorOf(() => check(privkey, { openpgpKey: '/nonexistent' }), 'SYS_PATH');
    assert.deepEqual(await check(privkey, { pinSource: 'env:P', env: { P: 'x' } }), []);
    await appErrorOf(() => check(privkey, { pinSource: 'env:P' }), 'KEY_PIN_SOURCE');
    await appErrorOf(() => check('openpgp:/nonexistent', { openpgpKey }), 'SYS_PATH');
  });
});
