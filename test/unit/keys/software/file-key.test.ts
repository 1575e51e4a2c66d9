// Account keys in PEM files: every format and algorithm, checked with openssl, and each bad file.

import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { jwkOfKey } from '../../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../../src/jose/signature.js';
import { openFileKey } from '../../../../src/keys/software/file-key.js';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import type { ErrorCode } from '../../../../src/lib/error-codes.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeKey } from '../../../support/keys/keys.js';
import { mustRun } from '../../../support/process.js';
import { makeTempDir } from '../../../support/temp-dir.js';
import { recordPrivateKey, recordSecret } from '../../../support/transcript.js';
import { makeKeyPair } from '../../../support/key-pair.js';

const PASSPHRASE = 'correct horse battery';
const INPUT = Buffer.from('protected.payload');

function contextOf(overrides: Partial<KeyContext> = {}): KeyContext {
  return { env: {}, log: () => undefined, ...overrides };
}

async function writeKey(folder: string, content: string | Buffer): Promise<string> {
  const path = join(folder, 'key.pem');
  await mustRun('rm', ['-f', path]);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

async function assertSigns(
  path: string,
  publicKey: KeyObject,
  context = contextOf(),
): Promise<void> {
  const key = await openFileKey(path, context);
  const signature = (await key.sign(INPUT)).bytes;
  assert.ok(verifySignature(key.algorithm, publicKey, INPUT, signature));
  assert.deepEqual(key.jwk, jwkOfKey(publicKey));
  assert.equal(key.description, `file:${path}`);
  await key.close();
  await key.close();
}

describe('key file', () => {
  for (const algorithm of ['RS256', 'ES256', 'ES384', 'ES512'] as const) {
    it(`signs ${algorithm} from PKCS #8 and the older format`, async (t) => {
      const folder = await makeTempDir(t);
      const { pem, privateKey, publicKey } = makeKey(algorithm);
      await assertSigns(await writeKey(folder, pem), publicKey);
      const type = algorithm === 'RS256' ? 'pkcs1' : 'sec1';
      const old = privateKey.export({ type, format: 'pem' });
      await assertSigns(await writeKey(folder, old), publicKey);
      await assertSigns(await writeKey(folder, pem.replaceAll('\n', '\r\n')), publicKey);
    });
  }

  for (const curve of ['ed25519', 'ed448'] as const) {
    it(`signs EdDSA with ${curve}`, async (t) => {
      const path = join(await makeTempDir(t), 'key.pem');
      await mustRun('openssl', ['genpkey', '-algorithm', curve, '-out', path]);
      const text = readFileSync(path, 'utf8');
      recordPrivateKey(text);
      await assertSigns(path, createPublicKey(text));
    });
  }

  it('as openssl writes it, with its EC parameters before the key', async (t) => {
    const folder = await makeTempDir(t);
    const text = await mustRun('openssl', ['ecparam', '-name', 'prime256v1', '-genkey']);
    assert.match(text, /BEGIN EC PARAMETERS/);
    await assertSigns(await writeKey(folder, text), createPublicKey(text));
  });

  it('encrypted, asks for the passphrase: in PKCS #8 and in the old way of PEM', async (t) => {
    recordSecret(PASSPHRASE);
    const folder = await makeTempDir(t);
    for (const [algorithm, type, cipher] of [
      ['ES256', 'pkcs8', 'aes-256-cbc'],
      ['ES256', 'sec1', 'aes-256-cbc'],
      ['RS256', 'pkcs1', 'aes-128-cbc'],
      ['RS256', 'pkcs1', 'des-ede3-cbc'],
    ] as const) {
      const { privateKey, publicKey } = makeKey(algorithm);
      const pem = privateKey.export({ type, format: 'pem', cipher, passphrase: PASSPHRASE });
      assert.equal(pem.includes('Proc-Type: 4,ENCRYPTED'), type !== 'pkcs8');
      const path = await writeKey(folder, pem);
      const pinSource = 'env:PASSPHRASE';
      const env = { PASSPHRASE };
      await assertSigns(path, publicKey, contextOf({ env, pinSource }));
      assert.deepEqual(env, {}, 'the variable is gone');
      const wrong = contextOf({ env: { PASSPHRASE: 'wrong' }, pinSource });
      const error = await appErrorOf(() => openFileKey(path, wrong), 'KEY_DECRYPT');
      assert.doesNotMatch(`${error.message} ${error.hint ?? ''}`, /wrong$/);
      await appErrorOf(() => openFileKey(path, contextOf()), 'KEY_PIN_SOURCE');
    }
  });

  it('behind a byte order mark is read, as openssl reads it', async (t) => {
    const { pem, publicKey } = makeKey('ES256');
    const path = await writeKey(await makeTempDir(t), `\ufeff${pem}`);
    await mustRun('openssl', ['pkey', '-in', path, '-noout']);
    await assertSigns(path, publicKey);
    const middle = await writeKey(await makeTempDir(t), `x\ufeff${pem}`);
    await appErrorOf(() => openFileKey(middle, contextOf()), 'KEY_FILE');
  });

  it('with a cipher that OpenSSL lacks is refused before the passphrase is asked for, and opens as the hint says', async (t) => {
    recordSecret(PASSPHRASE);
    const folder = await makeTempDir(t);
    const plain = await writeKey(folder, makeKey('RS256').pem);
    const publicKey = createPublicKey(readFileSync(plain));
    const legacy = [
      '-provider',
      'legacy',
      '-provider',
      'default',
      '-passout',
      `pass:${PASSPHRASE}`,
    ];
    for (const [name, command] of [
      ['PBE-MD5-DES', ['pkcs8', '-topk8', '-v1', 'PBE-MD5-DES']],
      ['PBE-SHA1-RC2-40', ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-RC2-40']],
      ['PBE-SHA1-RC4-128', ['pkcs8', '-topk8', '-v1', 'PBE-SHA1-RC4-128']],
      ['DES-CBC', ['pkcs8', '-topk8', '-v2', 'des-cbc']],
      ['RC2-CBC', ['pkcs8', '-topk8', '-v2', 'rc2-cbc']],
      ['DES-CBC', ['rsa', '-traditional', '-des']],
    ] as const) {
      const path = join(folder, 'old.pem');
      await mustRun('openssl', [...command, '-in', plain, '-out', path, ...legacy]);
      chmodSync(path, 0o600);
      const asking = contextOf({ prompt: () => assert.fail('asked for a passphrase') });
      const error = await appErrorOf(() => openFileKey(path, asking), 'KEY_FILE');
      assert.equal(
        error.message,
        `account key: ${path}: is encrypted with ${name}, which OpenSSL no longer has`,
      );
      const [, hinted = ''] = /: openssl (.*) -in KEY -out NEW$/.exec(error.hint ?? '') ?? [];
      const converted = join(folder, 'new.pem');
      const passwords = ['-passin', `pass:${PASSPHRASE}`, '-passout', `pass:${PASSPHRASE}`];
      await mustRun('openssl', [
        ...hinted.split(' '),
        ...['-in', path, '-out', converted, ...passwords],
      ]);
      const context = contextOf({ env: { PASSPHRASE }, pinSource: 'env:PASSPHRASE' });
      await assertSigns(converted, publicKey, context);
    }
  });

  it('must not be open to others, nor be missing, nor relative', async (t) => {
    const folder = await makeTempDir(t);
    const path = await writeKey(folder, makeKey('ES256').pem);
    chmodSync(path, 0o644);
    await appErrorOf(() => openFileKey(path, contextOf()), 'SYS_UNSAFE_PATH');
    await appErrorOf(() => openFileKey(join(folder, 'none'), contextOf()), 'SYS_PATH');
    await appErrorOf(() => openFileKey('key.pem', contextOf()), 'KEY_FILE');
  });

  const ec = makeKeyPair('ec', { namedCurve: 'P-256' });
  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
  const secp256k1 = makeKeyPair('ec', { namedCurve: 'secp256k1' }).privateKey.export(pkcs8);
  const rsa1024 = makeKeyPair('rsa', { modulusLength: 1024 }).privateKey.export(pkcs8);
  const x25519 = makeKeyPair('x25519').privateKey.export(pkcs8);
  const pem = ec.privateKey.export(pkcs8).toString();
  const bad: readonly (readonly [string, string | Buffer, ErrorCode])[] = [
    ['nothing', '', 'KEY_FILE'],
    ['noise', Buffer.from([0, 255, 13, 10, 45, 45, 45]), 'KEY_FILE'],
    ['text', 'my key is safe', 'KEY_FILE'],
    ['a public key', ec.publicKey.export({ type: 'spki', format: 'pem' }), 'KEY_FILE'],
    ['DER', ec.privateKey.export({ type: 'pkcs8', format: 'der' }), 'KEY_FILE'],
    ['two keys', `${ec.privateKey.export(pkcs8).toString()}${secp256k1.toString()}`, 'KEY_FILE'],
    ['a key hidden by blanks', pem + pem.replace('KEY-----', 'KEY----- \t'), 'KEY_FILE'],
    ['a key hidden by its label', `${pem}-----BEGIN private KEY-----\n`, 'KEY_FILE'],
    ['a damaged key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'KEY_FILE'],
    ['a cut key', ec.privateKey.export(pkcs8).toString().slice(0, 100), 'KEY_FILE'],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'KEY_FILE'],
    ['an unsupported curve', secp256k1, 'JOSE_UNSUPPORTED_KEY'],
    ['an RSA key too short', rsa1024, 'JOSE_UNSUPPORTED_KEY'],
    ['a key that does not sign', x25519, 'JOSE_UNSUPPORTED_KEY'],
  ];
  for (const [what, content, code] of bad) {
    it(`with ${what} is refused`, async (t) => {
      const path = await writeKey(await makeTempDir(t), content);
      const error = await appErrorOf(() => openFileKey(path, contextOf()), code);
      assert.ok(error.hint !== undefined);
      assert.doesNotMatch(error.message.replace(path, ''), /DECODER|asn1|0x/i);
    });
  }

  it('of OpenSSH is refused, and opens once it is converted as the hint says', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'id');
    await mustRun('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', path]);
    const error = await appErrorOf(() => openFileKey(path, contextOf()), 'KEY_FILE');
    assert.match(error.message, /holds openssh private key/);
    const [, command] = /(ssh-keygen -p -m PKCS8) -f COPY/.exec(error.hint ?? '') ?? [];
    const [program = '', ...args] = command?.split(' ') ?? [];
    await mustRun(program, [...args, '-q', '-N', '', '-f', path]);
    await assertSigns(path, createPublicKey(readFileSync(path)));
  });
});
