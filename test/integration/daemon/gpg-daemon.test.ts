// The daemon with an account key that gpg or openpgp.js decrypts at its start: it signs for
// clients, keeps their input to itself, and says what is wrong when it cannot start.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import {
  runClavigerd,
  startClavigerd,
  type ClavigerdOptions,
} from '../../support/daemon/clavigerd.js';
import {
  createGnupg,
  gpgCommand,
  waitForEndOf,
  type Gnupg,
  type Passphrase,
} from '../../support/keys/gnupg.js';
import { makeKey } from '../../support/keys/keys.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { childrenOf, runCommand, startProcess, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { suiteScope, type Scope } from '../../support/scope.js';
import { formatSigningInput, isSignatureOf } from '../../support/requests/signing-request.js';
import { makeTempDir } from '../../support/temp-dir.js';

const key = makeKey('ES256');
const jwk = { ...jwkOfKey(key.publicKey) };
const input = formatSigningInput({
  alg: 'ES256',
  jwk,
  url: 'https://ca.example/new-acct',
  payload: {},
});

const scope = suiteScope();
let gnupg: Gnupg;
let passphrase: Passphrase;
let user: string;
let path: string;

before(async () => {
  gnupg = await createGnupg(scope);
  passphrase = gnupg.addPassphrase();
  user = await gnupg.addKey('Curve25519', passphrase);
  path = await gnupg.encrypt(key.pem, '--recipient', user, '--encrypt');
  await gnupg.forget();
});

async function assertSigns(t: Scope, options: ClavigerdOptions): Promise<void> {
  const daemon = await startClavigerd(t, options);
  const client = await connectLineClient(daemon.socket);
  assert.deepEqual(JSON.parse((await client.readGreeting()).jwk), jwk);
  assert.ok(isSignatureOf('ES256', jwk, input, (await client.ask(input)) ?? ''));
  client.close();
  assert.deepEqual(childrenOf(daemon.process.pid), [], 'gpg is gone');
}

/** A program in gpg's place. */
function script(name: string, text: string): string {
  const file = join(gnupg.folder, name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
  return file;
}

function settings(command: readonly string[]): string {
  return `gpg = ${JSON.stringify(command.join(' '))}`;
}

describe('clavigerd with a gpg: key', () => {
  it('signs for a client', async (t) => {
    const gpg = settings(gpgCommand(passphrase));
    await assertSigns(t, { key: `gpg:${path}`, settings: gpg, env: gnupg.env });
  });

  it('takes the setting gpg as lacme-accountd has it, and quotes', async (t) => {
    const [, , ...options] = gpgCommand(passphrase);
    const words = ['gpg', '--homedir', `'${gnupg.home}'`, ...options, '--no-verbose'];
    await assertSigns(t, { key: `gpg:${path}`, settings: settings(words) });
  });

  it('expands specifiers in the path', async (t) => {
    const env = { ...gnupg.env, XDG_CONFIG_HOME: gnupg.folder, TMPDIR: gnupg.folder };
    const name = path.slice(gnupg.folder.length);
    const gpg = settings(gpgCommand(passphrase));
    await assertSigns(t, { key: `gpg:%T${name}`, settings: gpg, env });
  });

  it('keeps what its client sends over standard input from gpg', async (t) => {
    const stolen = join(gnupg.folder, 'stolen');
    const greedy = script('greedy', `head -c 1 >${stolen}; echo noise >&2; exec "$@"`);
    const config = await writeConfig(t, settings([greedy, ...gpgCommand(passphrase)]));
    const daemon = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--config=${config}`, '--stdio'],
      env: gnupg.env,
      stdin: true,
    });
    daemon.stdin.end(`${input}\r\n`);
    assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null });
    assert.equal(readFileSync(stolen, 'utf8'), '');
    const [greeting, , signature] = daemon.stdout.split('\r\n');
    assert.match(greeting ?? '', /^1 OK /);
    assert.ok(isSignatureOf('ES256', jwk, input, signature ?? ''));
    assert.match(daemon.stderr, /gpg says: noise/);
  });

  it('names its own terminal to gpg where GPG_TTY names none', async (t) => {
    const config = await writeConfig(
      t,
      settings([script('tty', 'echo "tty $GPG_TTY" >&2; exit 1')]),
    );
    const command = `${process.execPath} ${CLAVIGERD} --config=${config} --stdio`;
    const env = { GPG_TTY: undefined };
    // It makes a terminal for the command.
    const { stdout } = await runCommand('script', ['-q', '-c', command, '/dev/null'], { env });
    assert.match(stdout, /gpg says: tty \/dev\/pts\/\d+/);
  });

  it('ends by SIGTERM while gpg waits for somebody, and ends gpg', async (t) => {
    const waiting = script('wait', 'echo "pid $$" >&2; exec sleep 60');
    const config = await writeConfig(t, settings([waiting]));
    const daemon = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--config=${config}`, '--stdio'],
      stdin: true,
      waitFor: /gpg says: pid \d+/,
    });
    const pid = /gpg says: pid (\d+)/.exec(daemon.stderr)?.[1] ?? '';
    daemon.signal('SIGTERM');
    assert.deepEqual(await daemon.waitForExit(10_000), { code: 0, signal: null });
    await waitForEndOf(Number(pid));
  });

  it('tells why it does not start', async (t) => {
    await gnupg.forget();
    const wrong = await start(t, settings(gpgCommand(gnupg.addPassphrase())));
    assert.equal(wrong.code, 2);
    assert.equal(wrong.stdout, '');
    assert.match(wrong.stderr, /gpg says: gpg: /);
    assert.match(
      wrong.stderr,
      /^clavigerd: error: account key: .*: gpg: ended with exit status 2/m,
    );
    assert.match(wrong.stderr, /^clavigerd: hint: .*GPG_TTY/m);
    const missing = await start(t, settings(['no-such-gpg']));
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /^clavigerd: hint: install GnuPG/m);
  });

  it('refuses a setting that is no command, or that tells the passphrase to every user', async (t) => {
    for (const [command, problem] of [
      ["gpg --homedir '/x", /gpg: the command has an unclosed quote/],
      ['  ', /gpg: the command is empty/],
      ['gpg --passphrase geheim', /gpg: --passphrase puts the passphrase on a command line/],
      ['gpg --passphrase=geheim', /gpg: --passphrase puts the passphrase on a command line/],
    ] as const) {
      const { code, stderr } = await start(t, settings([command]));
      assert.equal(code, 2);
      assert.match(stderr, problem);
      assert.doesNotMatch(stderr, /geheim/);
    }
  });
});

describe('clavigerd with an openpgp: key', () => {
  it('signs for a client, with a secret key and with a passphrase alone', async (t) => {
    const openpgpKey = await gnupg.exportSecretKey(user, passphrase, '--armor');
    const symmetric = await gnupg.encrypt(
      key.pem,
      ...['--armor', '--passphrase-file', passphrase.file, '--symmetric'],
    );
    const pinSource = `pin-source = ${JSON.stringify(`file:${passphrase.file}`)}`;
    const keyFile = `openpgp-key = ${JSON.stringify(openpgpKey)}`;
    // Without gpg in reach.
    const env = { PATH: '/nonexistent', GNUPGHOME: '/nonexistent' };
    await assertSigns(t, { key: `openpgp:${path}`, settings: `${pinSource}\n${keyFile}`, env });
    await assertSigns(t, { key: `openpgp:${symmetric}`, settings: pinSource, env });
  });

  it('is shown by --check, with its settings', async (t) => {
    const config = await writeConfig(t, 'openpgp-key = "%T/secret%%key"', `openpgp:${path}`);
    const folder = await makeTempDir(t);
    writeFileSync(join(folder, 'secret%key'), 'never read as a key', { mode: 0o600 });
    const { code, stdout, stderr } = await runClavigerd([`--config=${config}`, '--check'], {
      env: { TMPDIR: folder },
    });
    assert.equal(code, 0, stderr);
    const told = parse(stdout);
    assert.equal(told['privkey'], `openpgp:${path}`);
    assert.equal(told['openpgp-key'], `${folder}/secret%%key`);
  });
});

async function writeConfig(t: Scope, text: string, privkey = `gpg:${path}`): Promise<string> {
  const config = join(await makeTempDir(t), 'clavigerd.toml');
  writeFileSync(config, `privkey = ${JSON.stringify(privkey)}\n${text}\n`, { mode: 0o600 });
  return config;
}

/** Runs the daemon, which is to end by itself. */
async function start(t: Scope, text: string): Promise<CommandResult> {
  const config = await writeConfig(t, text);
  return await runClavigerd([`--config=${config}`, '--stdio'], {
    env: gnupg.env,
    timeoutMs: 20_000,
  });
}
