// Account keys that openpgp.js decrypts in this process: messages and secret keys of the real gpg
// and sq of this machine, and of newer ones as test/fixtures/openpgp/make.sh made them; and each
// way in which it must fail.

import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../src/jose/signature.js';
import type { KeyContext } from '../../../src/keys/key-context.js';
import { openOpenPgpKey } from '../../../src/keys/software/openpgp-key.js';
import type { AppError } from '../../../src/lib/errors.js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { Secret } from '../../../src/lib/secret.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  createGnupg,
  type Gnupg,
  type GpgKeyType,
  type Passphrase,
} from '../../support/keys/gnupg.js';
import { makeKey } from '../../support/keys/keys.js';
import { mustRun } from '../../support/process.js';
import { ROOT } from '../../support/programs.js';
import { suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { recordPrivateKey, recordSecret, recordText } from '../../support/transcript.js';
import { makeKeyPair } from '../../support/key-pair.js';

const INPUT = Buffer.from('protected.payload');
const FIXTURES = join(ROOT, 'test/fixtures/openpgp');
const FIXTURE_PASSPHRASE = 'fixture passphrase';

const key = makeKey('ES256');
const scope = suiteScope();
let gnupg: Gnupg;
let passphrase: Passphrase;
let user: string;
let secretKey: string;

before(async () => {
  gnupg = await createGnupg(scope);
  passphrase = gnupg.addPassphrase();
  user = await gnupg.addKey('Curve25519', passphrase);
  secretKey = await gnupg.exportSecretKey(user, passphrase);
});

interface Opening {
  readonly openpgpKey?: string | undefined;
  /** Typed by a person when asked. */
  readonly passphrase?: string | Buffer;
}

/** Counts how often the passphrase is asked for. */
class Person {
  asked: string[] = [];

  context({ openpgpKey, passphrase: text }: Opening): KeyContext {
    return {
      env: {},
      log: () => undefined,
      openpgpKey,
      prompt: (question) => {
        this.asked.push(question);
        return Promise.resolve(new Secret(Buffer.from(text ?? 'nothing')));
      },
    };
  }
}

async function assertOpens(path: string, publicKey: KeyObject, opening: Opening): Promise<Person> {
  const person = new Person();
  const opened = await openOpenPgpKey(path, person.context(opening));
  assert.ok(verifySignature(opened.algorithm, publicKey, INPUT, (await opened.sign(INPUT)).bytes));
  assert.deepEqual(opened.jwk, jwkOfKey(publicKey));
  assert.equal(opened.description, `openpgp:${path}`);
  await opened.close();
  return person;
}

async function assertFails(
  path: string,
  opening: Opening,
  code: ErrorCode,
): Promise<AppError & { readonly asked: number }> {
  const person = new Person();
  const error = await appErrorOf(() => openOpenPgpKey(path, person.context(opening)), code);
  recordText('error', `${error.message} ${error.hint ?? ''}`);
  return Object.assign(error, { asked: person.asked.length });
}

describe('openpgp key, with messages of gpg', () => {
  for (const type of ['Curve25519', 'NIST P-256', 'RSA'] satisfies GpgKeyType[]) {
    it(`opens one to a ${type} key, binary and armored, as the key file is`, async () => {
      const own = gnupg.addPassphrase();
      const name = await gnupg.addKey(type, own);
      for (const armor of [[], ['--armor']]) {
        const openpgpKey = await gnupg.exportSecretKey(name, own, ...armor);
        const path = await gnupg.encrypt(key.pem, ...armor, '--recipient', name, '--encrypt');
        const opening = { openpgpKey, passphrase: own.text };
        const { asked } = await assertOpens(path, key.publicKey, opening);
        assert.deepEqual(asked, [`Passphrase of ${openpgpKey}`]);
      }
    });
  }

  for (const [what, options] of [
    ['signed too', ['--sign', '--encrypt']],
    ['to a hidden recipient', ['--throw-keyids', '--encrypt']],
    ['uncompressed', ['--compress-algo', 'none', '--encrypt']],
    ['compressed by bzip2', ['--compress-algo', 'bzip2', '--encrypt']],
    ['to a key or with another passphrase', ['--encrypt', '--symmetric']],
  ] as const) {
    it(`opens one ${what}`, async () => {
      const all = ['--passphrase-file', passphrase.file, '--recipient', user, ...options];
      const path = await gnupg.encrypt(key.pem, ...all);
      await assertOpens(path, key.publicKey, {
        openpgpKey: secretKey,
        passphrase: passphrase.text,
      });
    });
  }

  for (const [what, options] of [
    ['as gpg does it', []],
    ['armored', ['--armor']],
    ['with AES-128', ['--cipher-algo', 'AES']],
    ['to a key as well, which is not there', ['--encrypt']],
  ] as const) {
    it(`opens one with a passphrase alone, ${what}`, async () => {
      const recipient = options[0] === '--encrypt' ? ['--recipient', user] : [];
      const all = ['--passphrase-file', passphrase.file, ...recipient, ...options, '--symmetric'];
      const path = await gnupg.encrypt(key.pem, ...all);
      const { asked } = await assertOpens(path, key.publicKey, { passphrase: passphrase.text });
      assert.deepEqual(asked, [`Passphrase of ${path}`]);
    });
  }

  it('tells of a wrong passphrase, after one attempt', async () => {
    const to = await gnupg.encrypt(key.pem, '--recipient', user, '--encrypt');
    const opening = { openpgpKey: secretKey, passphrase: gnupg.addPassphrase().text };
    const error = await assertFails(to, opening, 'KEY_DECRYPT');
    assert.match(error.message, /^OpenPGP key: .*: the passphrase is wrong$/);
    assert.equal(error.asked, 1);
    const asked = ['--passphrase-file', passphrase.file];
    const symmetric = await gnupg.encrypt(key.pem, ...asked, '--symmetric');
    const other = await assertFails(symmetric, opening, 'KEY_DECRYPT');
    assert.match(other.message, /the passphrase is wrong, or the message damaged/);
    assert.equal(other.asked, 1);
    const notUtf8 = { openpgpKey: secretKey, passphrase: Buffer.from([0xff, 0xfe]) };
    assert.match((await assertFails(to, notUtf8, 'KEY_PIN')).message, /not UTF-8/);
  });

  it('tells of a message for another key, and asks for no passphrase', async () => {
    const stranger = await gnupg.addKey('Curve25519', gnupg.addPassphrase());
    const path = await gnupg.encrypt(key.pem, '--recipient', stranger, '--encrypt');
    const error = await assertFails(path, { openpgpKey: secretKey }, 'KEY_DECRYPT');
    assert.match(error.message, /encrypted to [0-9A-F]{16}, which .* does not hold/);
    assert.equal(error.asked, 0);
    const none = await assertFails(path, {}, 'KEY_DECRYPT');
    assert.match(none.message, /openpgp-key names none/);
    assert.match(none.hint ?? '', /gpg --export-secret-keys/);
  });

  it('takes nothing from a message that was tampered with', async () => {
    const plain = ['--compress-algo', 'none', '--encrypt'];
    const path = await gnupg.encrypt(key.pem, '--recipient', user, ...plain);
    const bytes = readFileSync(path);
    for (const back of [1, 100, 200]) {
      const tampered = Buffer.from(bytes);
      tampered.writeUInt8(tampered.readUInt8(bytes.length - back) ^ 1, bytes.length - back);
      writeFileSync(`${path}-${back}`, tampered);
      const opening = { openpgpKey: secretKey, passphrase: passphrase.text };
      await assertFails(`${path}-${back}`, opening, 'KEY_DECRYPT');
    }
  });

  it('refuses a message without integrity protection', async () => {
    const old = ['--rfc2440', '--disable-mdc', '--passphrase-file', passphrase.file, '--symmetric'];
    const path = await gnupg.encrypt(key.pem, ...old);
    const error = await assertFails(path, { passphrase: passphrase.text }, 'KEY_DECRYPT');
    assert.match(error.message, /without integrity protection/);
    assert.equal(error.asked, 0);
  });

  it('unpacks no more than a key has', async () => {
    const path = await gnupg.encrypt('0'.repeat(10_000_000), '--recipient', user, '--encrypt');
    assert.ok(readFileSync(path).length < 65_536);
    const opening = { openpgpKey: secretKey, passphrase: passphrase.text };
    const error = await assertFails(path, opening, 'KEY_DECRYPT');
    assert.match(error.message, /size/i);
  });

  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const another = makeKeyPair('ec', { namedCurve: 'P-256' });
  const second = another.privateKey.export(pkcs8).toString();
  const publicPem = another.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  recordPrivateKey(second);
  for (const [what, text, problem] of [
    ['two keys', key.pem + second, /decrypted: holds private key, private key/],
    ['a public key', publicPem, /decrypted: holds public key/],
    ['no PEM', 'nothing to see', /decrypted: not a PEM file/],
  ] as const) {
    it(`refuses ${what} inside`, async () => {
      const path = await gnupg.encrypt(text, '--recipient', user, '--encrypt');
      const opening = { openpgpKey: secretKey, passphrase: passphrase.text };
      assert.match((await assertFails(path, opening, 'KEY_FILE')).message, problem);
    });
  }
});

describe('openpgp key, its secret key', () => {
  let path: string;
  before(async () => {
    path = await gnupg.encrypt(key.pem, '--recipient', user, '--encrypt');
  });

  function keyFile(name: string, content: string | Buffer): string {
    const file = join(gnupg.folder, name);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  }

  it('is one key, and a secret one', async () => {
    const other = await createGnupg(scope);
    const own = other.addPassphrase();
    await other.addKey('Curve25519', own);
    await other.addKey('Curve25519', own);
    const all = await other.exportSecretKey('example.org', own);
    const many = await assertFails(path, { openpgpKey: all }, 'KEY_DECRYPT');
    assert.match(many.message, /holds 2 keys, and one is wanted/);
    const exported = join(gnupg.folder, 'public');
    await gnupg.run('--armor', '--output', exported, '--export', user);
    chmodSync(exported, 0o600);
    for (const file of [exported, keyFile('text', 'hello'), keyFile('pem', key.pem)]) {
      const error = await assertFails(path, { openpgpKey: file }, 'KEY_DECRYPT');
      assert.match(error.hint ?? '', /gpg --export-secret-keys/);
    }
  });

  it('may lack the primary key, which only signs', async () => {
    const file = join(gnupg.folder, 'subkeys');
    const asked = ['--passphrase-file', passphrase.file];
    await gnupg.run(...asked, '--output', file, '--export-secret-subkeys', user);
    chmodSync(file, 0o600);
    await assertOpens(path, key.publicKey, { openpgpKey: file, passphrase: passphrase.text });
  });

  it('must not be open to others, nor be missing', async () => {
    const open = keyFile('open', readFileSync(secretKey));
    chmodSync(open, 0o644);
    await assertFails(path, { openpgpKey: open }, 'SYS_UNSAFE_PATH');
    await assertFails(path, { openpgpKey: join(gnupg.folder, 'none') }, 'SYS_PATH');
    await assertFails('relative.gpg', { openpgpKey: secretKey }, 'KEY_FILE');
    await assertFails(join(gnupg.folder, 'none'), { openpgpKey: secretKey }, 'SYS_PATH');
  });
});

describe('openpgp key, with messages of sq', () => {
  it('opens one to its key, which may have no passphrase', async (t) => {
    const folder = await makeTempDir(t);
    const plain = join(folder, 'plain');
    const secret = join(folder, 'secret');
    const cert = join(folder, 'cert');
    const path = join(folder, 'message');
    writeFileSync(plain, key.pem);
    await mustRun('sq', ['key', 'generate', '--userid', '<a@example.org>', '--export', secret]);
    await mustRun('sq', ['key', 'extract-cert', '--output', cert, secret]);
    chmodSync(secret, 0o600);
    for (const binary of [[], ['--binary']]) {
      const args = ['--force', 'encrypt', ...binary, '--recipient-cert', cert, '--output', path];
      await mustRun('sq', [...args, plain]);
      const { asked } = await assertOpens(path, key.publicKey, { openpgpKey: secret });
      assert.deepEqual(asked, []);
    }
  });

  it('opens one with a passphrase', async (t) => {
    const folder = await makeTempDir(t);
    const plain = join(folder, 'plain');
    const path = join(folder, 'message');
    writeFileSync(plain, key.pem);
    recordSecret('typed into a terminal');
    // It asks on a terminal alone, which `script` makes.
    const command = `sq encrypt --symmetric --output ${path} ${plain}`;
    await mustRun('script', ['-q', '-e', '-E', 'never', '-c', command, '/dev/null'], {
      input: 'typed into a terminal\n',
    });
    await assertOpens(path, key.publicKey, { passphrase: 'typed into a terminal' });
  });
});

describe('openpgp key, with messages of newer programs', () => {
  const publicKey = createPublicKey(readFileSync(join(FIXTURES, 'account.pem')));
  for (const [message, keyName] of [
    ['gpg-2.4.asc', 'gpg-2.4.key.asc'],
    ['gpg-2.4.gpg', 'gpg-2.4.key.asc'],
    ['gpg-2.4-ocb.gpg', 'gpg-2.4.key.asc'],
    ['gpg-2.4-passphrase.gpg', undefined],
    ['gpg-2.4-passphrase-ocb.asc', undefined],
    ['sq-rfc4880.asc', 'sq-rfc4880.key.asc'],
    ['sq-rfc9580.asc', 'sq-rfc9580.key.asc'],
    ['sq-passphrase.pgp', undefined],
  ] as const) {
    it(`opens ${message}, and not with a wrong passphrase`, async (t) => {
      const folder = await makeTempDir(t);
      const path = copyOf(message, folder);
      const openpgpKey = keyName === undefined ? undefined : copyOf(keyName, folder);
      await assertOpens(path, publicKey, { openpgpKey, passphrase: FIXTURE_PASSPHRASE });
      const error = await assertFails(path, { openpgpKey, passphrase: 'wrong' }, 'KEY_DECRYPT');
      assert.equal(error.asked, 1);
    });

    it(`takes nothing from ${message} when it was cut`, async (t) => {
      const folder = await makeTempDir(t);
      const path = copyOf(message, folder);
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.subarray(0, bytes.length - 20));
      const openpgpKey = keyName === undefined ? undefined : copyOf(keyName, folder);
      await assertFails(path, { openpgpKey, passphrase: FIXTURE_PASSPHRASE }, 'KEY_DECRYPT');
    });
  }

  function copyOf(name: string, folder: string): string {
    const path = join(folder, name);
    copyFileSync(join(FIXTURES, name), path);
    chmodSync(path, 0o600);
    return path;
  }
});
