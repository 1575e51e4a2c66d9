// `clavigerd key generate`, `list` and `show` on SoftHSM: what they make, print and refuse. The
// commands that change tokens otherwise are in key-provisioning.test.ts.

import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { verifySignature } from '../../../src/jose/signature.js';
import { openAccountKey } from '../../../src/keys/open-account-key.js';
import { makeKey } from '../../support/keys/keys.js';
import {
  mustRun,
  runCommand,
  startProcess,
  type CommandResult,
  stateDirectoryOfTest,
} from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { suiteScope } from '../../support/scope.js';
import {
  createSoftHsm,
  SOFTHSM_MODULE,
  type SoftHsm,
  type SoftHsmToken,
} from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const INPUT = Buffer.from('protected.payload');
const TYPES = {
  rsa2048: 'RS256',
  rsa3072: 'RS256',
  rsa4096: 'RS256',
  p256: 'ES256',
  p384: 'ES384',
  p521: 'ES512',
  ed25519: 'EdDSA',
  ed448: 'EdDSA',
} as const;

describe('clavigerd key', () => {
  const scope = suiteScope();
  let hsm: SoftHsm;
  let token: SoftHsmToken;

  before(async () => {
    hsm = await createSoftHsm(scope);
    token = await hsm.addToken('acme key\u0007s');
  });

  function key(...args: string[]): Promise<CommandResult> {
    return runCommand(process.execPath, [CLAVIGERD, 'key', ...args], { env: hsm.env });
  }

  /** Without a terminal to ask at, wherever the tests run. */
  function keyUnattended(...args: string[]): Promise<CommandResult> {
    const command = ['--wait', process.execPath, CLAVIGERD, 'key', ...args];
    return runCommand('setsid', command, { env: hsm.env });
  }

  function generate(...args: string[]): Promise<CommandResult> {
    const where = ['--module-name', 'softhsm2', '--serial', token.serial];
    return key('generate', ...where, '--pin-source', `file:${token.pinFile}`, ...args);
  }

  async function failure(
    result: Promise<CommandResult>,
    code: number,
    message: RegExp,
  ): Promise<string> {
    const { code: actual, stdout, stderr } = await result;
    assert.equal(actual, code, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, message);
    return stderr;
  }

  for (const [type, algorithm] of Object.entries(TYPES)) {
    it(`generate --type ${type}: a key that signs ${algorithm}, stays in, and only signs`, async () => {
      const made = await generate('--type', type, '--label', `g-${type}`);
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stderr, new RegExp(`generating a key of type ${type}`));
      assert.match(made.stdout, new RegExp(`^algorithm: +${algorithm}$`, 'm'));
      const uri = /^uri: +(pkcs11:.*)$/m.exec(made.stdout)?.[1] ?? '';
      const account = await openAccountKey(uri, {
        env: { ...hsm.env },
        log: () => undefined,
        stateDirectory: stateDirectoryOfTest,
      });
      assert.ok(
        verifySignature(
          account.algorithm,
          account.publicKey,
          INPUT,
          (await account.sign(INPUT)).bytes,
        ),
      );
      await account.close();
      assert.deepEqual(
        createPublicKey(made.stdout.slice(made.stdout.indexOf('-----BEGIN'))).export({
          format: 'jwk',
        }),
        account.publicKey.export({ format: 'jwk' }),
      );
      const object = await privateObject(`g-${type}`);
      assert.match(object, /Usage:\s+sign\n/);
      assert.match(object, /Access:\s+sensitive, always sensitive, never extractable, local\n/);
    });
  }

  it('generate refuses a label or an ID that is taken', async () => {
    const made = await generate('--label', 'taken', '--id', '77AA');
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /^id: +77aa$/m);
    await failure(
      generate('--label', 'taken', '--id', '78'),
      1,
      /a key with label "taken" already/,
    );
    await failure(generate('--label', 'other', '--id', '77aa'), 1, /a key with ID 77aa already/);
    assert.equal((await generate('--label', 'other', '--id', '78')).code, 0);
  });

  it('generate refuses a wrong PIN, after one attempt, and makes nothing', async () => {
    const wrong = join(hsm.folder, 'wrong');
    writeFileSync(wrong, '00000000', { mode: 0o600 });
    const args = ['--label', 'never', '--pin-source', wrong];
    await failure(generate(...args), 1, /the PIN is wrong .*CKR_PIN_INCORRECT/);
    assert.doesNotMatch((await key('list', '--module-name', 'softhsm2')).stdout, /never/);
  });

  it('refuses wrong usage with exit status 2', async () => {
    await failure(generate('--type', 'dsa'), 2, /--type <type>.*dsa.*is invalid/);
    await failure(generate('--id', 'xyz'), 2, /hexadecimal/);
    await failure(generate('--uri', 'pkcs11:'), 2, /cannot be used with/);
    await failure(
      key('list', '--module', SOFTHSM_MODULE, '--module-name', 'softhsm2'),
      2,
      /cannot be used with/,
    );
    await failure(key('lsit'), 2, /unknown command 'lsit'/);
    await failure(key('show'), 2, /missing required argument/);
  });

  it('refuses texts and PINs longer than a token takes, before a helper process sees them', async () => {
    const long = 'x'.repeat(1500);
    await failure(generate('--label', long), 2, /--label <label>.*1 to 255 bytes/);
    await failure(generate('--label', ''), 2, /--label <label>.*1 to 255 bytes/);
    await failure(key('list', '--module-name', 'softhsm2', '--token', long), 2, /1 to 255 bytes/);
    await failure(generate('--id', '00'.repeat(300)), 2, /at most 64 bytes/);
    const pinFile = join(hsm.folder, 'long-pin');
    writeFileSync(pinFile, '1'.repeat(2000), { mode: 0o600 });
    await failure(
      generate('--pin-source', pinFile),
      2,
      /error: PIN: .* is longer than 1024 bytes\n/,
    );
  });

  it('generate takes label and ID from the URI', async () => {
    const uri = `pkcs11:serial=${token.serial};object=from%20URI;id=%77%01?module-name=softhsm2`;
    const all = (...args: string[]): Promise<CommandResult> =>
      key('generate', '--uri', uri, '--pin-source', token.pinFile, ...args);
    await failure(all('--label', 'other'), 2, /--label: the URI says another one/);
    await failure(all('--id', '02'), 2, /--id: the URI says another one/);
    const { stdout, stderr } = await all('--id', '7701');
    assert.match(stdout, /^label: +from URI$/m, stderr);
    assert.match(stdout, /^id: +7701$/m);
  });

  it('list shows the keys that the URI names, and no others', async () => {
    await generate('--label', 'listed', '--id', 'a1');
    await generate('--label', 'hidden', '--id', 'a2');
    const uri = (key: string): string =>
      `pkcs11:serial=${token.serial};${key}?module-name=softhsm2`;
    for (const name of ['object=listed', 'id=%a1']) {
      const { stdout } = await key('list', '--uri', uri(name));
      assert.match(stdout, / listed +a1 +P-256 +public$/m);
      assert.doesNotMatch(stdout, /hidden/);
    }
  });

  it('refuses a PIN on the command line, and does not repeat it', async () => {
    for (const args of [
      ['list', '--uri', 'pkcs11:?module-name=softhsm2&pin-value=4711-4711'],
      ['show', 'pkcs11:token=acme?module-name=softhsm2&pin-value=4711-4711'],
    ]) {
      const stderr = await failure(key(...args), 2, /pin-value has no place on a command line/);
      assert.doesNotMatch(stderr, /4711/);
    }
  });

  it('says what is missing: module, token, key, PIN', async () => {
    await failure(key('list'), 2, /no module is named\n.*hint: .*softhsm2/);
    await failure(key('list', '--module-name', 'none'), 2, /"none" is not known/);
    await failure(key('list', '--uri', 'pkcs11:tokn=a'), 2, /"tokn" is not a path attribute/);
    await failure(key('list', '--module', '/etc/passwd'), 2, /not a PKCS#11 library/);
    const where = ['--module-name', 'softhsm2'];
    await failure(
      key('generate', ...where, '--token', 'acne'),
      1,
      /none matches token="acne"\n(?:.*hint: .*\n)*.*hint: acme key/,
    );
    await failure(
      key('list', ...where, '--token', 'acne'),
      1,
      /none matches token="acne"\n(?:.*hint: .*\n)*.*hint: acme key/,
    );
    await failure(keyUnattended('generate', ...where), 2, /no terminal to ask at/);
    const uri = `pkcs11:serial=${token.serial};object=none?module-name=softhsm2`;
    await failure(
      key('show', uri, '--pin-source', token.pinFile),
      1,
      /key: none matches object="none"/,
    );
  });

  it('list shows tokens and keys, escaped; private ones after a login', async (t) => {
    const other = await createSoftHsm(t);
    const first = await other.addToken('one\u001b[2J');
    await other.addKey(first, { label: 'k1', id: '01', type: 'EC:prime256v1' });
    await other.addKey(first, { label: 'k2', id: '02', type: 'rsa:2048' });
    await other.addKey(first, { label: 'odd', id: '03', type: 'EC:secp256k1' });
    await other.addToken('two');
    const list = async (...args: string[]): Promise<string> => {
      const all = [CLAVIGERD, 'key', 'list', '--module', SOFTHSM_MODULE, ...args];
      return mustRun(process.execPath, all, { env: other.env });
    };
    const table = await list();
    assert.match(table, /^TOKEN +SERIAL +KEY +ID +TYPE +SEEN\n/);
    assert.match(table, /^one\\u001b\[2J +\S+ +k1 +01 +P-256 +public$/m);
    assert.match(table, /^one\S+ +\S+ +k2 +02 +RSA-2048 +public$/m);
    assert.match(table, /^one\S+ +\S+ +odd +03 +EC \(not supported\) +public$/m);
    assert.match(table, /^two +\S+ +- +- +- +-$/m);
    assert.match(table, /^\(not initialised\)/m);
    assert.doesNotMatch(table, /\u001b/);

    const login = ['--serial', first.serial, '--pin-source', first.pinFile];
    const own = await list(...login);
    assert.equal(own.match(/private$/gm)?.length, 3);
    assert.doesNotMatch(own, /two|public/);

    const json: unknown = JSON.parse(await list(...login, '--json'));
    assert.ok(Array.isArray(json) && json.length === 1);
    assert.match(JSON.stringify(json), /"label":"k1","id":"01","type":"P-256","hasPrivate":true/);
  });

  it('list gives all keys of a full token', async (t) => {
    const other = await createSoftHsm(t);
    const full = await other.addToken('full');
    for (let id = 10; id < 50; id++) {
      await other.addKey(full, { label: `key-${id}`, id: String(id), type: 'EC:prime256v1' });
    }
    const args = [
      CLAVIGERD,
      'key',
      'list',
      '--uri',
      `pkcs11:token=full?module-path=${SOFTHSM_MODULE}`,
    ];
    const table = await mustRun(process.execPath, args, { env: other.env });
    assert.equal(new Set(table.match(/key-\d\d/g)).size, 40);
  });

  it('show prints the public key without a PIN, and with one where it needs it', async () => {
    await generate('--label', 'shown', '--id', 'abcd');
    const uri = `pkcs11:serial=${token.serial};object=shown?module-path=${SOFTHSM_MODULE}`;
    const open = await key('show', uri);
    assert.equal(open.code, 0, open.stderr);
    assert.match(open.stdout, /^algorithm: +ES256$/m);
    assert.match(open.stdout, /^jwk: +\{"crv":"P-256","kty":"EC","x":"[\w-]+","y":"[\w-]+"\}$/m);
    assert.match(open.stdout, /^private key: needs a login to see/m);
    assert.equal(open.stderr, '');
    const seen = await key('show', uri, '--login', '--pin-source', token.pinFile);
    assert.match(seen.stdout, /^private key: in the token$/m);
    await hsm.tool(token, '--delete-object', '--type', 'pubkey', '--id', 'abcd');
    await failure(keyUnattended('show', uri), 2, /no terminal to ask at/);
    // SoftHSM shows the point of an EC key in its public object alone.
    await failure(key('show', uri, '--pin-source', token.pinFile), 1, /shows no public key/);
  });

  it('show warns of a public key without its private key', async () => {
    await generate('--label', 'half', '--id', 'aa1f');
    await hsm.tool(token, '--delete-object', '--type', 'privkey', '--label', 'half');
    const uri = `pkcs11:serial=${token.serial};object=half?module-name=softhsm2`;
    const { stdout, stderr } = await key('show', uri, '--pin-source', token.pinFile);
    assert.match(stdout, /^private key: not in this token$/m);
    assert.match(stderr, /warning: the token has no private key/);
  });

  it('show takes the key of a file, and gives JSON', async (t) => {
    const path = join(await makeTempDir(t), 'key.pem');
    const { pem, publicKey } = makeKey('ES384');
    writeFileSync(path, pem, { mode: 0o600 });
    const { stdout } = await key('show', `file:${path}`, '--json');
    const report: unknown = JSON.parse(stdout);
    assert.ok(
      typeof report === 'object' && report !== null && 'uri' in report && 'publicKey' in report,
    );
    assert.equal(report.uri, `file:${path}`);
    assert.equal(report.publicKey, publicKey.export({ type: 'spki', format: 'pem' }));
    await failure(key('show', '/etc/passwd'), 2, /no kind is named/);
  });

  it('asks for the PIN on the terminal, without echo', async (t) => {
    const command = [
      process.execPath,
      CLAVIGERD,
      'key',
      'list',
      '--module',
      SOFTHSM_MODULE,
      '--login',
      '--serial',
      token.serial,
    ];
    const session = await startProcess(t, {
      command: 'script',
      args: ['-qec', command.join(' '), '/dev/null'],
      env: { ...hsm.env, TERM: 'dumb' },
      stdin: true,
      waitFor: /PIN of token "acme key\\+u0007s" \(serial [0-9a-f]+\): /,
    });
    session.stdin.write(`${token.pin}\r`);
    const { code } = await session.waitForExit();
    assert.equal(code, 0, session.output);
    assert.match(session.stdout, /private/);
    assert.ok(!session.output.includes(token.pin));
  });

  async function privateObject(label: string): Promise<string> {
    const output = await hsm.tool(token, '--list-objects', '--type', 'privkey');
    return (
      output.split(/(?=^Private Key Object)/m).find((text) => text.includes(`  ${label}\n`)) ?? ''
    );
  }
});
