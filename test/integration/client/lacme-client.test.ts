// Debian's lacme with clavigerd in place of lacme-accountd: over its socket, and started by lacme
// itself.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Algorithm } from '../../../src/jose/algorithms.js';
import { createGnupg, gpgCommand } from '../../support/keys/gnupg.js';
import { makeKey } from '../../support/keys/keys.js';
import { type Lacme, prepareLacme } from '../../support/daemon/lacme.js';
import { type Pebble, isRevoked, startPebble } from '../../support/client/pebble.js';
import { type CommandResult, mustRun, startProcess } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { type Scope, suiteScope } from '../../support/scope.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const CONTACT = 'mailto:admin@example.org';
const NAMES = ['a.lacme.example', 'b.lacme.example'];

interface Signer {
  readonly folder: string;
  readonly privkey: string;
  readonly env: Readonly<Record<string, string>>;
}

async function fileSigner(scope: Scope, algorithm: Algorithm): Promise<Signer> {
  const folder = await makeTempDir(scope);
  await writeFile(join(folder, 'account.pem'), makeKey(algorithm).pem, { mode: 0o600 });
  return { folder, privkey: `file:${join(folder, 'account.pem')}`, env: {} };
}

async function tokenSigner(scope: Scope): Promise<Signer> {
  const folder = await makeTempDir(scope);
  const hsm = await createSoftHsm(scope);
  const token = await hsm.addToken('lacme');
  const key = { label: 'account', id: '01', type: 'rsa:2048' } as const;
  await hsm.addKey(token, key);
  return { folder, privkey: hsm.uri(token, key), env: hsm.env };
}

/** Writes the daemon's configuration; gives its path. */
async function configure(signer: Signer, more = ''): Promise<string> {
  const config = join(signer.folder, 'clavigerd.toml');
  await writeFile(config, `privkey = ${JSON.stringify(signer.privkey)}\n${more}`, { mode: 0o600 });
  return config;
}

/** Starts the daemon; gives its socket. */
async function startDaemon(scope: Scope, signer: Signer, more = ''): Promise<string> {
  const socket = join(signer.folder, 'S.claviger');
  await startProcess(scope, {
    command: process.execPath,
    args: [CLAVIGERD, `--config=${await configure(signer, more)}`, `--socket=${socket}`],
    env: signer.env,
    waitFor: { socket },
  });
  return socket;
}

function assertDone(result: CommandResult): void {
  assert.equal(result.code, 0, result.stdout + result.stderr);
}

describe('lacme', () => {
  const scope = suiteScope();
  let pebble: Pebble;

  before(async () => {
    // lacme fails at the first rejected nonce, so this CA rejects none.
    pebble = await startPebble(scope, { nonceReject: 0 });
  });

  async function prepare(
    folder: string,
    signer: Parameters<typeof prepareLacme>[0]['signer'],
  ): Promise<Lacme> {
    const { directoryUrl: server, caFile, httpPort } = pebble;
    return await prepareLacme({ folder, server, caFile, httpPort, signer }, NAMES);
  }

  /** Registers, issues and revokes, and looks at the certificate and at what the CA says of it. */
  async function useAccount(lacme: Lacme): Promise<void> {
    const account = await lacme.run('account', '--register', '--tos-agreed', CONTACT);
    assertDone(account);
    assert.match(account.stderr, /^Key ID: https:\/\/localhost:\d+\//m);
    assertDone(await lacme.run('newOrder', 'test'));
    const pem = await readFile(lacme.certificate, 'utf8');
    assert.deepEqual(
      new X509Certificate(pem).subjectAltName?.split(', ').sort(),
      NAMES.map((name) => `DNS:${name}`),
    );
    await mustRun('openssl', [
      'verify',
      '-CAfile',
      pebble.rootCaFile,
      '-untrusted',
      lacme.chain,
      lacme.certificate,
    ]);
    assert.equal(await isRevoked(pebble, pem), false);
    assertDone(await lacme.run('revokeCert', lacme.certificate));
    assert.equal(await isRevoked(pebble, pem), true);
  }

  for (const algorithm of ['RS256', 'ES256'] as const) {
    it(`registers, issues and revokes over the socket, ${algorithm}`, async (t) => {
      const signer = await fileSigner(t, algorithm);
      const socket = await startDaemon(t, signer);
      await useAccount(await prepare(signer.folder, { socket }));
    });

    it(`registers, issues and revokes with the daemon it starts, ${algorithm}`, async (t) => {
      const signer = await fileSigner(t, algorithm);
      const config = await configure(signer);
      await useAccount(
        await prepare(signer.folder, { command: `${process.execPath} ${CLAVIGERD}`, config }),
      );
    });
  }

  it('registers, issues and revokes with a key in a token', async (t) => {
    const signer = await tokenSigner(t);
    const socket = await startDaemon(t, signer);
    await useAccount(await prepare(signer.folder, { socket }));
  });

  it('registers, issues and revokes with a key that gpg decrypts for the daemon it starts', async (t) => {
    const gnupg = await createGnupg(t);
    const passphrase = gnupg.addPassphrase();
    const user = await gnupg.addKey('RSA', passphrase);
    const path = await gnupg.encrypt(makeKey('RS256').pem, '--recipient', user, '--encrypt');
    const signer = { folder: await makeTempDir(t), privkey: `gpg:${path}`, env: {} };
    const gpg = gpgCommand(passphrase, '--homedir', gnupg.home).join(' ');
    const config = await configure(signer, `gpg = ${JSON.stringify(gpg)}\n`);
    await useAccount(
      await prepare(signer.folder, { command: `${process.execPath} ${CLAVIGERD}`, config }),
    );
  });

  it('issues with the key ID alone, and cannot touch the account', async (t) => {
    const signer = await fileSigner(t, 'ES256');
    const open = await prepare(signer.folder, {
      command: `${process.execPath} ${CLAVIGERD}`,
      config: await configure(signer),
    });
    const account = await open.run('account', '--register', '--tos-agreed', CONTACT);
    assertDone(account);
    const keyId = /^Key ID: (\S+)$/m.exec(account.stderr)?.[1] ?? '';

    const socket = await startDaemon(t, signer, `keyid = ${JSON.stringify(keyId)}\n`);
    const closed = await prepare(signer.folder, { socket });
    assertDone(await closed.run('newOrder', '--force', 'test'));
    assert.ok((await readFile(closed.certificate, 'utf8')).startsWith('-----BEGIN CERTIFICATE'));
    for (const args of [
      ['account', 'mailto:other@example.org'],
      ['account', '--deactivate'],
    ]) {
      const refused = await closed.run(...args);
      assert.notEqual(refused.code, 0);
      assert.match(refused.stderr, /lost connection with lacme-accountd/);
    }
    assertDone(await closed.run('newOrder', '--force', 'test'));
  });
});
