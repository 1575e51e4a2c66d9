// What a user gets: the tarball of `npm pack`, installed as `npm install --global` does, below a
// folder of its own. The pack is made from a copy of the sources: packing builds anew, and would
// take dist/ from the other tests.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { makeKey } from '../support/keys/keys.js';
import { npmEnvironment } from '../support/npm.js';
import { connectLineClient } from '../support/daemon/line-client.js';
import { type CommandResult, mustRun, runCommand, startProcess } from '../support/process.js';
import { ROOT } from '../support/programs.js';
import { suiteScope } from '../support/scope.js';
import { createSoftHsm } from '../support/modules/softhsm.js';
import { formatSigningInput, isSignatureOf } from '../support/requests/signing-request.js';
import { makeTempDir } from '../support/temp-dir.js';

const NOT_COPIED = /^(dist|node_modules|\.git)$/;
const NPM_TIMEOUT_MS = 150_000;

async function npm(cwd: string, args: readonly string[]): Promise<string> {
  return await mustRun('npm', args, { cwd, env: npmEnvironment(), timeoutMs: NPM_TIMEOUT_MS });
}

/** Packs a copy of the checkout; gives the tarball's path. */
async function pack(folder: string): Promise<string> {
  const copy = join(folder, 'copy');
  await mkdir(copy);
  for (const name of await readdir(ROOT)) {
    if (!NOT_COPIED.test(name) && !name.endsWith('.tgz')) {
      await cp(join(ROOT, name), join(copy, name), { recursive: true });
    }
  }
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  await npm(copy, ['pack', '--silent', '--pack-destination', folder]);
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
  assert.ok(tarball !== undefined, 'npm pack made a tarball');
  return join(folder, tarball);
}

describe('packed tarball', () => {
  const scope = suiteScope();
  let installed = '';
  let names: string[] = [];

  before(async () => {
    const folder = await makeTempDir(scope);
    const tarball = await pack(folder);
    names = (await mustRun('tar', ['-tzf', tarball])).trim().split('\n');
    installed = join(folder, 'installed');
    await mkdir(installed);
    const place = ['--global', `--prefix=${installed}`];
    const options = ['--no-audit', '--no-fund', '--prefer-offline'];
    await npm(installed, ['install', ...place, ...options, tarball]);
  });

  async function runInstalled(
    [program = '', ...args]: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<CommandResult> {
    const path = join(installed, 'bin', program);
    return await runCommand(path, args, { cwd: installed, env });
  }

  it('holds the programs, units and licence, and no tests or sources', () => {
    for (const name of [
      'package/LICENSE',
      'package/README.md',
      'package/package.json',
      'package/dist/bin/cli/clavigerd.js',
      'package/dist/bin/token/helper.js',
      'package/dist/bin/THIRD-PARTY-LICENCES.txt',
      'package/docs/examples/clavigerd.toml',
      'package/docs/examples/logrotate.d-clavigerd',
      'package/docs/guides/restricting-clients.md',
      'package/systemd/clavigerd.service',
      'package/systemd/clavigerd@.socket',
      'package/systemd/sysusers.d/claviger.conf',
    ]) {
      assert.ok(names.includes(name), `${name} is in the tarball`);
    }
    const unwanted = names.filter((name) =>
      /\/test\/|\.test\.|[^d]\.ts$|\.map$|tsbuildinfo/.test(name),
    );
    assert.deepEqual(unwanted, []);
    const program = join(installed, 'lib/node_modules/claviger/dist/bin/cli/clavigerd.js');
    assert.doesNotMatch(readFileSync(program, 'utf8'), /sourceMappingURL/);
  });

  for (const program of ['clavigerd', 'claviger']) {
    it(`runs ${program} --version and --help`, async () => {
      const version = await runInstalled([program, '--version']);
      assert.equal(version.code, 0, version.stderr);
      assert.match(version.stdout, /\b\d+\.\d+\.\d+\b/);
      const help = await runInstalled([program, '--help']);
      assert.equal(help.code, 0, help.stderr);
      assert.match(help.stdout + help.stderr, new RegExp(`\\b${program}\\b`));
    });
  }

  it('installs every manual page where man looks for it', async () => {
    const pages = (await readdir(join(ROOT, 'docs/man'))).sort();
    const below = join(installed, 'share/man');
    const found = await Promise.all(
      ['1', '5'].map((section) => readdir(join(below, `man${section}`))),
    );
    assert.deepEqual(found.flat().sort(), pages);
    const text = await mustRun('mandoc', ['-T', 'ascii', join(below, 'man1/clavigerd.1')]);
    assert.match(text, /CLAVIGERD\(1\)/);
  });

  it('lists the keys of a token, through the addon that npm compiled', async (t) => {
    const hsm = await createSoftHsm(t);
    const token = await hsm.addToken('packed');
    await hsm.addKey(token, { label: 'account', id: '01', type: 'EC:prime256v1' });
    const list = await runInstalled(
      ['clavigerd', 'key', 'list', `--module=${hsm.modulePath}`, '--token=packed'],
      hsm.env,
    );
    assert.equal(list.code, 0, list.stderr);
    assert.match(list.stdout, /\baccount\b/);
  });

  it('signs with a file key', async (t) => {
    const folder = await makeTempDir(t);
    const key = makeKey('ES256');
    const socket = join(folder, 'S.claviger');
    await writeFile(join(folder, 'account.pem'), key.pem, { mode: 0o600 });
    await startProcess(t, {
      command: join(installed, 'bin/clavigerd'),
      args: [`--privkey=file:${join(folder, 'account.pem')}`, `--socket=${socket}`],
      env: { HOME: folder, XDG_CONFIG_HOME: folder },
      waitFor: { socket },
    });
    const client = await connectLineClient(socket);
    const { greeting } = await client.readGreeting();
    assert.match(greeting, /"alg":"ES256"/);
    const url = 'https://ca.example/order/1';
    const input = formatSigningInput({ alg: 'ES256', kid: 'https://ca.example/acct/1', url });
    const signature = (await client.ask(input)) ?? '';
    assert.ok(isSignatureOf('ES256', key.publicKey.export({ format: 'jwk' }), input, signature));
    client.close();
  });
});
