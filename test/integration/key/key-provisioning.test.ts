// `clavigerd key` where it changes tokens, on SoftHSM: initialise, import, delete, change the PIN;
// and `test`.

import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes, type KeyObject } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { jwkOfKey, jwkThumbprint } from '../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../src/jose/signature.js';
import { openAccountKey } from '../../../src/keys/open-account-key.js';
import {
  runCommand,
  startProcess,
  type CommandResult,
  stateDirectoryOfTest,
} from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { suiteScope } from '../../support/scope.js';
import { createSoftHsm, type SoftHsm, type SoftHsmToken } from '../../support/modules/softhsm.js';
import { recordPrivateKey, recordSecret } from '../../support/transcript.js';
import { makeKeyPair } from '../../support/key-pair.js';

const INPUT = Buffer.from('protected.payload');
const MODULE = ['--module-name', 'softhsm2'];

/** Shorter ones would be found by accident. */
const MIN_RECORDED = 8;

const KEYS: Readonly<Record<string, () => { privateKey: KeyObject }>> = {
  'rsa-2048': () => makeKeyPair('rsa', { modulusLength: 2048 }),
  'rsa-4096': () => makeKeyPair('rsa', { modulusLength: 4096 }),
  'p-256': () => makeKeyPair('ec', { namedCurve: 'P-256' }),
  'p-384': () => makeKeyPair('ec', { namedCurve: 'P-384' }),
  'p-521': () => makeKeyPair('ec', { namedCurve: 'P-521' }),
  ed25519: () => makeKeyPair('ed25519'),
  ed448: () => makeKeyPair('ed448'),
};

describe('clavigerd key, where it changes tokens', () => {
  const scope = suiteScope();
  let hsm: SoftHsm;
  let token: SoftHsmToken;

  before(async () => {
    hsm = await createSoftHsm(scope);
    token = await hsm.addToken('acme');
  });

  function key(...args: string[]): Promise<CommandResult> {
    return runCommand(process.execPath, [CLAVIGERD, 'key', ...args], { env: hsm.env });
  }

  /** Without a terminal, wherever the tests run. */
  function keyUnattended(...args: string[]): Promise<CommandResult> {
    const command = ['--wait', process.execPath, CLAVIGERD, 'key', ...args];
    return runCommand('setsid', command, { env: hsm.env });
  }

  function onToken(command: string, ...args: string[]): Promise<CommandResult> {
    const where = [...MODULE, '--serial', token.serial, '--pin-source', token.pinFile];
    return key(command, ...where, ...args);
  }

  async function failure(
    result: Promise<CommandResult>,
    code: number,
    message: RegExp,
  ): Promise<void> {
    const { code: actual, stdout, stderr } = await result;
    assert.equal(actual, code, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, message);
  }

  function secretFile(name: string, secret = randomBytes(5).toString('hex')): string {
    const path = join(hsm.folder, `secret-${name}`);
    writeFileSync(path, secret, { mode: 0o600 });
    if (secret.length >= MIN_RECORDED) {
      recordSecret(secret);
    }
    return path;
  }

  function keyFile(name: string, privateKey: KeyObject, passphrase?: string): string {
    const path = join(hsm.folder, `${name}.pem`);
    const plain = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    recordPrivateKey(plain);
    const pem =
      passphrase === undefined
        ? plain
        : privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
    writeFileSync(path, pem, { mode: 0o600 });
    return path;
  }

  /** What `list --login` shows of the token's keys. */
  async function keysInToken(): Promise<string> {
    return (await onToken('list')).stdout;
  }

  describe('generate --init-token', () => {
    it('initialises a blank token, makes the key there, and never does it again', async (t) => {
      const blank = await createSoftHsm(t);
      const [so, pin] = [secretFile('so-1'), secretFile('pin-1')];
      const run = (...args: string[]): Promise<CommandResult> => {
        const sources = ['--so-pin-source', so, '--pin-source', pin];
        const all = [CLAVIGERD, 'key', 'generate', ...MODULE, '--init-token', ...sources, ...args];
        return runCommand(process.execPath, all, { env: blank.env });
      };
      const made = await run('--token', 'first', '--type', 'ed25519');
      assert.equal(made.code, 0, made.stderr);
      const uri = /^uri: +(pkcs11:.*)$/m.exec(made.stdout)?.[1] ?? '';
      assert.match(uri, /token=first;serial=[0-9a-f]+;object=claviger;/);
      const account = await openAccountKey(uri, {
        env: { ...blank.env },
        log: () => undefined,
        stateDirectory: stateDirectoryOfTest,
      });
      const signature = (await account.sign(INPUT)).bytes;
      assert.ok(verifySignature('EdDSA', account.publicKey, INPUT, signature));
      await account.close();

      await failure(run('--token', 'first'), 1, /one with the label "first" is there already/);
      const serial = /serial=([0-9a-f]+)/.exec(uri)?.[1] ?? '';
      await failure(
        run('--token', 'second', '--serial', serial),
        1,
        /none is blank\n.*hint: tokens that are initialised stay as they are/,
      );
      assert.equal(readdirSync(join(blank.folder, 'tokens')).length, 1);
    });

    it('refuses a token without a label, and a PIN the token does not take, before it changes anything', async (t) => {
      const blank = await createSoftHsm(t);
      const [so, short] = [secretFile('so-2'), secretFile('pin-2', '123')];
      const run = (...args: string[]): Promise<CommandResult> =>
        runCommand(
          process.execPath,
          [CLAVIGERD, 'key', 'generate', ...MODULE, '--so-pin-source', so, ...args],
          { env: blank.env },
        );
      await failure(run('--init-token', '--pin-source', so), 2, /the new token needs a label/);
      await failure(run('--token', 'x'), 2, /--so-pin-source: is for --init-token or --so-login/);
      await failure(
        run('--init-token', '--token', 'x', '--pin-source', short),
        1,
        /the PIN has a length it does not take\n.*4 to 255 bytes; nothing was changed/,
      );
      const long = 'x'.repeat(33);
      await failure(
        run('--init-token', '--token', long, '--pin-source', so),
        1,
        /a label has 1 to 32 bytes/,
      );
      assert.deepEqual(readdirSync(join(blank.folder, 'tokens')), []);
    });
  });

  describe('import', () => {
    for (const [type, make] of Object.entries(KEYS)) {
      it(`puts an ${type} key into the token, where it signs and stays`, async () => {
        const { privateKey } = make();
        const made = await onToken('import', keyFile(type, privateKey), '--label', type);
        assert.equal(made.code, 0, made.stderr);
        assert.match(
          made.stderr,
          /warning: a copy of this key exists outside the token, in .*\.pem/,
        );
        const uri = /^uri: +(pkcs11:.*)$/m.exec(made.stdout)?.[1] ?? '';
        const account = await openAccountKey(uri, {
          env: { ...hsm.env },
          log: () => undefined,
          stateDirectory: stateDirectoryOfTest,
        });
        assert.equal(jwkThumbprint(account.jwk), jwkThumbprint(jwkOfKey(privateKey)));
        const signature = (await account.sign(INPUT)).bytes;
        assert.ok(verifySignature(account.algorithm, account.publicKey, INPUT, signature));
        await account.close();
        const objects = await hsm.tool(token, '--list-objects', '--type', 'privkey');
        const object = objects
          .split(/(?=^Private Key)/m)
          .find((text) => text.includes(` ${type}\n`));
        assert.match(object ?? '', /Usage:\s+sign\n/);
        assert.match(object ?? '', /Access:\s+sensitive\n/);
      });
    }

    it('takes PKCS #1, SEC 1 and encrypted files', async () => {
      const rsa = makeKeyPair('rsa', { modulusLength: 2048 }).privateKey;
      const ec = makeKeyPair('ec', { namedCurve: 'P-256' }).privateKey;
      const files = {
        pkcs1: rsa.export({ type: 'pkcs1', format: 'pem' }),
        sec1: ec.export({ type: 'sec1', format: 'pem' }),
      };
      for (const [name, pem] of Object.entries(files)) {
        const path = join(hsm.folder, `${name}.pem`);
        writeFileSync(path, pem, { mode: 0o600 });
        assert.equal((await onToken('import', path, '--label', name)).code, 0);
      }
      const passphrase = secretFile('passphrase', 'a long passphrase');
      const encrypted = keyFile('encrypted', ec, 'a long passphrase');
      const args = ['import', encrypted, '--label', 'encrypted', '--passphrase-source'];
      await failure(
        onToken(...withFirst(args), secretFile('wrong', 'no')),
        2,
        /passphrase is wrong/,
      );
      assert.equal((await onToken(...withFirst(args), passphrase)).code, 0);
    });

    it('refuses a label or an ID that is taken, and what is no key, and puts nothing in', async () => {
      const { privateKey } = makeKeyPair('ec', { namedCurve: 'P-256' });
      const file = keyFile('taken', privateKey);
      assert.equal((await onToken('import', file, '--label', 'taken', '--id', '99')).code, 0);
      const count = (await keysInToken()).split('\n').length;
      await failure(onToken('import', file, '--label', 'taken'), 1, /label "taken" already/);
      await failure(onToken('import', file, '--label', 'b', '--id', '99'), 1, /ID 99 already/);
      const odd = makeKeyPair('ec', { namedCurve: 'secp256k1' }).privateKey;
      await failure(onToken('import', keyFile('odd', odd)), 1, /secp256k1 is not supported/);
      await failure(onToken('import', token.pinFile), 2, /not a PEM file/);
      assert.equal((await keysInToken()).split('\n').length, count);
    });

    it('prints the public key alone, as JSON too', async () => {
      const { privateKey } = makeKeyPair('ec', { namedCurve: 'P-256' });
      const { stdout } = await onToken(
        'import',
        keyFile('j', privateKey),
        '--label',
        'j',
        '--json',
      );
      const report: unknown = JSON.parse(stdout);
      assert.ok(typeof report === 'object' && report !== null && 'jwk' in report);
      assert.deepEqual(report.jwk, jwkOfKey(privateKey));
      const { d } = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })).export({
        format: 'jwk',
      });
      assert.ok(d !== undefined && !stdout.includes(d));
    });
  });

  describe('delete', () => {
    async function twoKeys(name: string): Promise<string> {
      await onToken('generate', '--label', name);
      await onToken('generate', '--label', `${name}-other`);
      return hsm.uri(token, { label: name });
    }

    it('deletes private and public key once the label is repeated, and nothing else', async () => {
      const uri = await twoKeys('gone');
      await failure(
        key('delete', uri, '--yes-delete', 'gon'),
        1,
        /says "gon", and the key is "gone"/,
      );
      await failure(
        keyUnattended('delete', uri),
        1,
        /no terminal to confirm it at\n.*--yes-delete/,
      );
      assert.match(await keysInToken(), / gone /);
      const { code, stdout, stderr } = await key('delete', uri, '--yes-delete', 'gone', '--json');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /"privateKeys": 1,\n +"publicKeys": 1,\n +"certificates": 0/);
      assert.doesNotMatch(await keysInToken(), / gone /);
      assert.match(await keysInToken(), / gone-other +\S+ +P-256 +private/);
      assert.doesNotMatch(await hsm.tool(token, '--list-objects'), /label:\s+gone\n/);
      await failure(key('delete', uri, '--yes-delete', 'gone'), 1, /none matches object="gone"/);
    });

    it('asks on the terminal for the label', async (t) => {
      const uri = await twoKeys('asked');
      for (const [typed, code] of [
        ['aske', 1],
        ['asked', 0],
      ] as const) {
        const command = [process.execPath, CLAVIGERD, 'key', 'delete', `'${uri}'`];
        const session = await startProcess(t, {
          command: 'script',
          args: ['-qec', command.join(' '), '/dev/null'],
          env: { ...hsm.env, TERM: 'dumb' },
          stdin: true,
          waitFor: /about to delete key "asked" id=[0-9a-f]{16} \(P-256\)[^]*Type the label/,
        });
        session.stdin.write(`${typed}\n`);
        assert.equal((await session.waitForExit()).code, code, session.output);
        assert.equal(/ asked /.test(await keysInToken()), code === 1);
      }
    });

    it('deletes a public key that was left alone, and refuses when several keys match', async () => {
      const uri = await twoKeys('half');
      await hsm.tool(token, '--delete-object', '--type', 'privkey', '--label', 'half');
      const { stdout, stderr } = await key('delete', uri, '--yes-delete', 'half');
      assert.match(stderr, /P-256, public key alone/);
      assert.match(stdout, /private keys 0, public keys 1/);
      const all = `pkcs11:serial=${token.serial}?module-name=softhsm2&pin-source=${token.pinFile}`;
      await failure(key('delete', all, '--yes-delete', 'half-other'), 1, /\d+ keys match/);
    });

    it('refuses a key that shares its ID with another', async () => {
      await onToken('generate', '--label', 'twin', '--id', 'd0');
      await hsm.addKey(token, { label: 'twin-2', id: 'd0', type: 'EC:prime256v1' });
      await failure(
        key('delete', hsm.uri(token, { label: 'twin' }), '--yes-delete', 'twin'),
        1,
        /"twin" id=d0 shares its ID with another key/,
      );
      assert.match(await keysInToken(), / twin +d0 +P-256 +private/);
    });
  });

  describe('pin change', () => {
    it('sets a new PIN: the old one is refused from then on', async (t) => {
      const own = await createSoftHsm(t);
      const changed = await own.addToken('changed');
      const next = secretFile('next');
      const run = (...args: string[]): Promise<CommandResult> =>
        runCommand(process.execPath, [CLAVIGERD, 'key', ...args], { env: own.env });
      const change = (...args: string[]): Promise<CommandResult> =>
        run('pin', 'change', ...MODULE, '--token', 'changed', ...args);
      const old = ['--pin-source', changed.pinFile];
      await failure(
        change(...old, '--new-pin-source', secretFile('short', '12')),
        1,
        /the new PIN has a length it does not take/,
      );
      await failure(
        change('--pin-source', next, '--new-pin-source', next),
        1,
        /the PIN is wrong .*CKR_PIN_INCORRECT/,
      );
      const done = await change(...old, '--new-pin-source', next, '--json');
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stdout, /"changed": true/);
      await failure(run('list', ...MODULE, '--token', 'changed', ...old), 1, /the PIN is wrong/);
      const list = await run('list', ...MODULE, '--token', 'changed', '--pin-source', next);
      assert.equal(list.code, 0, list.stderr);
    });

    it('--unblock sets a PIN with that of the security officer', async (t) => {
      const own = await createSoftHsm(t);
      const [so, pin, next] = [secretFile('so-3'), secretFile('pin-3'), secretFile('next-3')];
      const run = (...args: string[]): Promise<CommandResult> =>
        runCommand(process.execPath, [CLAVIGERD, 'key', ...args], { env: own.env });
      const where = [...MODULE, '--token', 'lost'];
      const sources = ['--so-pin-source', so, '--pin-source', pin];
      assert.equal((await run('generate', ...where, '--init-token', ...sources)).code, 0);
      const change = ['pin', 'change', ...where];
      await failure(
        run(...change, '--unblock', '--so-pin-source', pin, '--new-pin-source', next),
        1,
        /C_Login of the security officer: CKR_PIN_INCORRECT/,
      );
      const latin = join(own.folder, 'latin-1');
      writeFileSync(latin, Buffer.from('clé-4711', 'latin1'), { mode: 0o600 });
      for (const pins of [
        ['--so-pin-source', latin, '--new-pin-source', next],
        ['--so-pin-source', so, '--new-pin-source', latin],
      ]) {
        await failure(run(...change, '--unblock', ...pins), 1, /PIN: .*not UTF-8/);
      }
      const unblock = [...change, '--unblock', '--so-pin-source', so, '--new-pin-source', next];
      assert.equal((await run(...unblock)).code, 0);
      await failure(run('list', ...where, '--pin-source', pin), 1, /the PIN is wrong/);
      assert.equal((await run('list', ...where, '--pin-source', next)).code, 0);
      await failure(run(...change, '--so-pin-source', so), 2, /is for --unblock alone/);
      await failure(run(...change, '--unblock', '--pin-source', so), 2, /not needed to unblock/);
    });

    it('asks for the new PIN twice, and changes nothing when the answers differ', async (t) => {
      const own = await createSoftHsm(t);
      const asked = await own.addToken('asked');
      const next = randomBytes(6).toString('hex');
      recordSecret(next);
      for (const [second, code] of [
        [`${next}x`, 1],
        [next, 0],
      ] as const) {
        const command = [process.execPath, CLAVIGERD, 'key', 'pin', 'change', ...MODULE];
        const session = await startProcess(t, {
          command: 'script',
          args: ['-qec', [...command, '--token', 'asked'].join(' '), '/dev/null'],
          env: { ...own.env, TERM: 'dumb' },
          stdin: true,
          waitFor: /Present PIN of token "asked"[^:]*: /,
        });
        session.stdin.write(`${asked.pin}\r`);
        await session.waitFor(/New PIN of token "asked" \(serial [0-9a-f]+\): /);
        session.stdin.write(`${next}\r`);
        await session.waitFor(/, once more: /);
        session.stdin.write(`${second}\r`);
        assert.equal((await session.waitForExit()).code, code, session.output);
        assert.match(session.output, code === 0 ? /is changed/ : /the two answers differ/);
        assert.ok(!session.output.includes(next) && !session.output.includes(asked.pin));
      }
    });
  });

  describe('test', () => {
    it('signs as often as asked, verifies, and shows how long it took', async () => {
      await onToken('generate', '--label', 'tested', '--type', 'p384');
      const uri = hsm.uri(token, { label: 'tested' });
      const { code, stdout, stderr } = await key('test', uri, '--count', '25');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^algorithm: +ES384\nsignatures: +25, each verified: all right$/m);
      assert.match(stdout, /^latency: +min [\d.]+, p50 [\d.]+, p90 [\d.]+, p99 [\d.]+, max/m);
      const json: unknown = JSON.parse((await key('test', uri, '--count', '5', '--json')).stdout);
      assert.match(JSON.stringify(json), /"signatures":5,"wrong":0,"latency":\{"minMs":/);
      await failure(key('test', uri, '--count', '0'), 2, /number from 1 to/);
    });

    it('finds a public key that is not the private one', async () => {
      for (const [label, id] of [
        ['mixed', 'b1'],
        ['mixed-2', 'b2'],
      ] as const) {
        await hsm.addKey(token, { label, id, type: 'EC:prime256v1' });
      }
      await hsm.tool(token, '--delete-object', '--type', 'pubkey', '--id', 'b1');
      const args = ['--type', 'pubkey', '--id', 'b2', '--set-id', 'b1'];
      await hsm.tool(token, ...args);
      const uri = `pkcs11:serial=${token.serial};id=%b1?module-name=softhsm2&pin-source=${token.pinFile}`;
      const { code, stdout, stderr } = await key('test', uri, '--count', '3');
      assert.equal(code, 1);
      assert.match(stdout, /each verified: 3 WRONG/);
      assert.match(stderr, /3 signatures are wrong/);
    });
  });

  it('show gives a key to OpenSSH, and a request that OpenSSL verifies', async () => {
    await onToken('generate', '--label', 'shown');
    const uri = hsm.uri(token, { label: 'shown' });
    const { stdout: ssh } = await key('show', uri, '--openssh');
    assert.match(ssh, /^ecdsa-sha2-nistp256 [\w+/]+={0,2}\n$/);
    const { stdout: input } = await key('show', uri, '--csr', 'WWW.example.org');
    const verified = await runCommand('openssl', ['req', '-verify', '-noout', '-text'], { input });
    assert.match(verified.stderr, /verify OK/);
    assert.match(verified.stdout, /DNS:www\.example\.org/);
    await failure(key('show', uri, '--csr', 'a b'), 2, /DNS name/);
    await onToken('generate', '--label', 'shown-448', '--type', 'ed448', '--id', 'e8');
    const other = `pkcs11:serial=${token.serial};id=%e8?module-name=softhsm2`;
    await failure(key('show', other, '--openssh'), 2, /OpenSSH knows no keys of this type/);
  });

  it('attest says when the module offers none', async () => {
    await onToken('generate', '--label', 'plain');
    const uri = hsm.uri(token, { label: 'plain' });
    await failure(key('attest', uri), 1, /this module offers no attestation of it\n.*ykcs11/);
  });
});

function withFirst(args: readonly string[]): [string, ...string[]] {
  const [first = '', ...rest] = args;
  return [first, ...rest];
}
