// Revocations that are remembered, keys that changed and files that are damaged: `claviger renew`
// against a real CA.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  readFile,
  readdir,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import {
  prepareClaviger,
  writeAccountKey,
  type ClavigerSetup,
} from '../../support/client/claviger.js';
import { startClavigerd } from '../../support/daemon/clavigerd.js';
import { isRevoked, startPebble, type Pebble } from '../../support/client/pebble.js';
import { mustRun, type CommandResult } from '../../support/process.js';
import { suiteScope, type Scope } from '../../support/scope.js';

const SERVICE = 12345;

describe('claviger renew', () => {
  const scope = suiteScope();
  let pebble: Pebble;
  let socket: string;

  before(async () => {
    pebble = await startPebble(scope, { nonceReject: 0 });
    ({ socket } = await startClavigerd(scope, { key: await writeAccountKey(scope, 'ES256') }));
    const claviger = await prepareClaviger(scope, pebble, { socket });
    await mustRunClient(claviger, ['account', 'register', '--agree-tos']);
  });

  async function mustRunClient(
    claviger: ClavigerSetup,
    args: readonly string[],
  ): Promise<CommandResult> {
    const result = await claviger.run(args);
    assert.equal(result.code, 0, result.stderr);
    return result;
  }

  interface Setup {
    readonly claviger: ClavigerSetup;
    readonly key: string;
    readonly full: string;
    readonly renew: () => Promise<string>;
  }

  /** One certificate that `renew` looks after, and has obtained. */
  async function prepare(t: Scope, name: string): Promise<Setup> {
    const claviger = await prepareClaviger(t, pebble, { socket });
    const key = join(claviger.folder, 'site.key');
    const full = join(claviger.folder, 'site.pem');
    await appendFile(
      claviger.config,
      `[[certificate]]\nnames = ["${name}"]\nkey = "${key}"\nfullchain = "${full}"\n`,
    );
    const renew = async (): Promise<string> => (await mustRunClient(claviger, ['renew'])).stderr;
    await renew();
    return { claviger, key, full, renew };
  }

  async function publicKeyIn(path: string): Promise<string> {
    const pem = await readFile(path, 'utf8');
    const key = pem.includes('PRIVATE')
      ? createPublicKey(createPrivateKey(pem))
      : new X509Certificate(pem).publicKey;
    return key.export({ type: 'spki', format: 'pem' }).toString();
  }

  it('replaces a certificate that was revoked, with the same key', async (t) => {
    const { claviger, key, full, renew } = await prepare(t, 'revoked.test');
    const [oldKey, old] = [await publicKeyIn(key), await readFile(full, 'utf8')];
    await mustRunClient(claviger, ['revoke', full, '--reason=superseded']);
    assert.equal(await isRevoked(pebble, old), true);
    assert.match(await renew(), /revoked\.test: renewing: it was revoked on 20\d\d-\d\d-\d\d\n/);
    const made = await readFile(full, 'utf8');
    assert.notEqual(made, old);
    assert.equal(await isRevoked(pebble, made), false);
    assert.equal(await publicKeyIn(full), oldKey);
    assert.match(await renew(), /valid until/);
  });

  it('never uses a compromised key again, and keeps its file', async (t) => {
    const { claviger, key, full, renew } = await prepare(t, 'stolen.test');
    const stolen = await readFile(key, 'utf8');
    const stolenPublic = await publicKeyIn(key);
    await mustRunClient(claviger, ['revoke', full, '--reason=keyCompromise']);
    const told = await renew();
    assert.match(told, /stolen\.test: renewing: its key was revoked as compromised\n/);
    assert.match(
      told,
      /warning: \S+site\.key: the key was revoked as compromised; it is in \S+site\.key\.compromised now/,
    );
    assert.equal(await readFile(`${key}.compromised`, 'utf8'), stolen);
    assert.notEqual(await publicKeyIn(key), stolenPublic);
    assert.equal(await publicKeyIn(full), await publicKeyIn(key));
    // Nor does `issue`, from whatever file it comes.
    const other = join(claviger.folder, 'other.key');
    await writeFile(other, stolen, { mode: 0o600 });
    const issued = await mustRunClient(claviger, [
      ...['issue', 'again.test', `--key=${other}`],
      `--cert=${join(claviger.folder, 'other.pem')}`,
    ]);
    assert.match(issued.stderr, /warning: .*other\.key\.compromised now/);
    assert.notEqual(await publicKeyIn(other), stolenPublic);
    // A second compromise does not replace the first key set aside.
    await mustRunClient(claviger, ['revoke', full, '--reason=keyCompromise']);
    await renew();
    assert.equal(await readFile(`${key}.compromised`, 'utf8'), stolen);
    assert.ok((await readdir(claviger.folder)).includes('site.key.compromised-2'));
  });

  it('is told, also with --quiet, when a revocation could not be remembered', async (t) => {
    const { claviger, full } = await prepare(t, 'forgotten.test');
    const state = join(claviger.folder, 'open');
    await mkdir(state);
    await chmod(state, 0o777);
    const options = ['--quiet', '--reason=keyCompromise', `--state-directory=${state}`];
    const { stderr } = await mustRunClient(claviger, ['revoke', full, ...options]);
    assert.match(stderr, /^claviger: warning: \S+site\.pem: .*could not be remembered.*move/m);
    // Where it can be, there is nothing to tell.
    const again = await mustRunClient(claviger, ['revoke', full, ...options.slice(0, 2)]);
    assert.equal(again.stderr, '');
  });

  it('goes on after a change of the key’s type, and with a key that spells its curve out', async (t) => {
    const { key, full, renew } = await prepare(t, 'typed.test');
    for (const args of [
      ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
      ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'],
      ['ecparam', '-name', 'secp384r1', '-param_enc', 'explicit', '-genkey', '-noout'],
    ]) {
      await writeFile(key, await mustRun('openssl', args), { mode: 0o600 });
      assert.match(await renew(), /renewing: the key is another one than the certificate has/);
      assert.match(await renew(), /valid until/);
      await mustRun('openssl', ['verify', '-partial_chain', '-trusted', full, full]);
    }
  });

  it('says that a certificate is damaged, and keeps owner and mode of what it replaces', async (t) => {
    const { full, renew } = await prepare(t, 'damaged.test');
    await chown(full, SERVICE, SERVICE + 1);
    await chmod(full, 0o640);
    await truncate(full, 500);
    const told = await renew();
    assert.match(told, /renewing: a file is damaged: \S+site\.pem: its certificate is cut short\n/);
    assert.match(
      told,
      /warning: \S+site\.pem: its certificate is cut short, where a certificate is to be/,
    );
    const { uid, gid, mode } = await stat(full);
    assert.deepEqual([uid, gid, mode & 0o7777], [SERVICE, SERVICE + 1, 0o640]);
    assert.match(await renew(), /valid until/);
  });

  it('renews at each run what lives for a day, and says that this is too short for the timer', async (t) => {
    const short = await startPebble(t, { nonceReject: 0, validityPeriod: 86_400 });
    const claviger = await prepareClaviger(t, short, { socket });
    await mustRunClient(claviger, ['account', 'register', '--agree-tos']);
    const path = join(claviger.folder, 'day');
    await appendFile(
      claviger.config,
      `[[certificate]]\nnames = ["day.test"]\nkey = "${path}.key"\nfullchain = "${path}.pem"\n`,
    );
    await mustRunClient(claviger, ['renew']);
    const quiet = await mustRunClient(claviger, ['renew', '--quiet']);
    assert.match(quiet.stderr, /^claviger: warning: day\.test: certificates of 24 h are too short/);
    const fresh = await mustRunClient(claviger, ['renew']);
    assert.match(fresh.stderr, /day\.test: valid until .*, due on /);
  });
});
