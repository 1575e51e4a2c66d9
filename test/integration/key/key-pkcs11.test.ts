// Account keys in SoftHSM tokens: each algorithm checked with node:crypto and openssl, and each
// wrong URI, PIN, token and key of the configuration tried.

import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { AccountKey } from '../../../src/keys/account-key.js';
import type { KeyContext } from '../../../src/keys/key-context.js';
import { openAccountKey } from '../../../src/keys/open-account-key.js';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import type { AppError } from '../../../src/lib/errors.js';
import { Secret } from '../../../src/lib/secret.js';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../src/jose/signature.js';
import { appErrorOf } from '../../support/app-error.js';
import { opensslVerifies } from '../../support/keys/openssl.js';
import { mustRun, stateDirectoryOfTest } from '../../support/process.js';
import { suiteScope } from '../../support/scope.js';
import {
  createSoftHsm,
  SOFTHSM_MODULE,
  type SoftHsm,
  type SoftHsmToken,
  type ToolKeyType,
} from '../../support/modules/softhsm.js';
import { recordText } from '../../support/transcript.js';

const INPUT = Buffer.from('protected.payload');

const KEYS: readonly (readonly [
  label: string,
  id: string,
  type: ToolKeyType,
  algorithm: string,
])[] = [
  ['rsa2048', '01', 'rsa:2048', 'RS256'],
  ['rsa4096', '02', 'rsa:4096', 'RS256'],
  ['p256', '03', 'EC:prime256v1', 'ES256'],
  ['p384', '04', 'EC:secp384r1', 'ES384'],
  ['p521', '05', 'EC:secp521r1', 'ES512'],
];

describe('account key in a token', () => {
  const scope = suiteScope();
  let hsm: SoftHsm;
  let token: SoftHsmToken;

  before(async () => {
    hsm = await createSoftHsm(scope);
    token = await hsm.addToken('acme');
    for (const [label, id, type] of KEYS) {
      await hsm.addKey(token, { label, id, type });
    }
  });

  function contextOf(overrides: Partial<KeyContext> = {}): KeyContext {
    const log = (level: string, message: string): void => {
      recordText('log', `${level} ${message}`);
    };
    return { env: { ...hsm.env }, log, stateDirectory: stateDirectoryOfTest, ...overrides };
  }

  async function withKey(uri: string, use: (key: AccountKey) => Promise<void>): Promise<void> {
    const key = await openAccountKey(uri, contextOf());
    try {
      await use(key);
    } finally {
      await key.close();
    }
  }

  async function refusal(uri: string, code: ErrorCode, context = contextOf()): Promise<AppError> {
    const error = await appErrorOf(() => openAccountKey(uri, context), code);
    const told = `${error.message} ${error.hint ?? ''} ${error.stack ?? ''}`;
    recordText('error', told);
    assert.ok(!told.includes(token.pin));
    return error;
  }

  for (const [label, id, , algorithm] of KEYS) {
    it(`${label} signs ${algorithm}: node:crypto and openssl agree`, async () => {
      await withKey(hsm.uri(token, { label, id }), async (key) => {
        assert.equal(key.algorithm, algorithm);
        for (let count = 0; count < 3; count++) {
          const signature = (await key.sign(INPUT)).bytes;
          assert.ok(verifySignature(key.algorithm, key.publicKey, INPUT, signature));
          assert.ok(await opensslVerifies(hsm.folder, { ...key, input: INPUT, signature }));
        }
      });
    });
  }

  it('is found by its ID, by its label, by the attributes of its token', async () => {
    const query = `?module-name=softhsm2&pin-source=${token.pinFile}`;
    for (const path of [
      'id=%03',
      'object=p256',
      'object=p256;token=acme;manufacturer=SoftHSM%20project;model=SoftHSM%20v2',
      `object=p256;serial=${token.serial};type=private`,
    ]) {
      await withKey(`pkcs11:${path}${query}`, async (key) => {
        assert.equal(key.algorithm, 'ES256');
        assert.equal((await key.sign(INPUT)).bytes.length, 64);
      });
    }
  });

  it('that wants a login for each signature gets it', async () => {
    const pair = [
      '--keypairgen',
      '--key-type',
      'EC:prime256v1',
      '--label',
      'careful',
      '--id',
      '61',
    ];
    await hsm.tool(token, ...pair, '--usage-sign', '--always-auth');
    assert.match(
      await hsm.tool(token, '--list-objects', '--type', 'privkey'),
      /always authenticate/i,
    );
    await withKey(hsm.uri(token, { label: 'careful' }), async (key) => {
      for (const input of [INPUT, Buffer.from('a'), Buffer.from('b')]) {
        assert.ok(verifySignature('ES256', key.publicKey, input, (await key.sign(input)).bytes));
      }
    });
  });

  it('that may be used with a hash made by the token only, signs so', async () => {
    const pair = ['--keypairgen', '--key-type', 'rsa:2048', '--label', 'hashed', '--id', '62'];
    await hsm.tool(token, ...pair, '--usage-sign', '--allowed-mechanisms', 'SHA256-RSA-PKCS');
    await withKey(hsm.uri(token, { label: 'hashed' }), async (key) => {
      const input = Buffer.alloc(20_000, 'x');
      assert.ok(verifySignature('RS256', key.publicKey, input, (await key.sign(input)).bytes));
    });
  });

  it('that may not be used as its algorithm wants, is refused', async () => {
    const pair = ['--keypairgen', '--key-type', 'rsa:2048', '--label', 'pss', '--id', '63'];
    await hsm.tool(token, ...pair, '--usage-sign', '--allowed-mechanisms', 'RSA-PKCS-PSS');
    const error = await refusal(hsm.uri(token, { label: 'pss' }), 'TOKEN_KEY_UNSUPPORTED');
    assert.match(error.message, /^key: the token does not sign RS256$/);
    assert.match(error.hint ?? '', /no CKM_RSA_PKCS nor CKM_SHA256_RSA_PKCS/);
  });

  it('signs many requests at once, in order, each its own', async () => {
    await withKey(hsm.uri(token, { label: 'p256' }), async (key) => {
      const inputs = Array.from({ length: 200 }, (_, at) => Buffer.from(`${at}.payload`));
      const signatures = await Promise.all(inputs.map((input) => key.sign(input)));
      for (const [at, input] of inputs.entries()) {
        const signature = signatures[at]?.bytes ?? Buffer.alloc(0);
        assert.ok(verifySignature(key.algorithm, key.publicKey, input, signature), `request ${at}`);
      }
    });
  });

  it('takes its PIN from a variable, a credential, the terminal, or the URI with a warning', async () => {
    const uri = hsm.uri(token, { label: 'p256' }).replace(/&pin-source=.*/, '');
    const credentials = join(hsm.folder, 'credentials');
    await mustRun('mkdir', ['-p', credentials]);
    writeFileSync(join(credentials, 'pin'), token.pin, { mode: 0o600 });
    const messages: string[] = [];
    const log = (level: string, message: string): void => {
      messages.push(`${level} ${message}`);
    };
    const env = { ...hsm.env, CREDENTIALS_DIRECTORY: credentials, ACME_PIN: token.pin };
    const questions: string[] = [];
    const prompt = (question: string): Promise<Secret> => {
      questions.push(question);
      return Promise.resolve(Secret.fromText(token.pin));
    };
    for (const [suffix, pinSource] of [
      ['&pin-source=env:ACME_PIN', undefined],
      ['&pin-source=credential:pin', undefined],
      ['', undefined],
      ['', 'credential:pin'],
      [`&pin-value=${token.pin}`, undefined],
    ] as const) {
      const context = { ...contextOf(), env, log, prompt, pinSource };
      const key = await openAccountKey(`${uri}${suffix}`, context);
      assert.equal((await key.sign(INPUT)).bytes.length, 64);
      assert.ok(!key.description.includes(token.pin));
      await key.close();
    }
    assert.ok(!('ACME_PIN' in env));
    assert.deepEqual(questions, [`PIN of token "acme" (serial ${token.serial})`]);
    assert.equal(messages.filter((text) => /^warning pkcs11 URI: pin-value/.test(text)).length, 1);
    assert.ok(!messages.join('\n').includes(token.pin));
  });

  it('is refused when no token matches: the hint lists those there are', async () => {
    const uri = hsm.uri({ ...token, label: 'acne' }, { label: 'p256' });
    const error = await refusal(uri, 'TOKEN_NOT_FOUND');
    assert.match(error.message, /^token: none matches token="acne" serial=/);
    assert.match(error.hint ?? '', new RegExp(`^acme +${token.serial} +SoftHSM`, 'm'));
  });

  it('is refused when no key matches: the hint lists those there are', async () => {
    const error = await refusal(hsm.uri(token, { label: 'p257' }), 'TOKEN_KEY_NOT_FOUND');
    assert.match(error.message, /^key: none matches object="p257"$/);
    assert.match(error.hint ?? '', /^p256 +03 +EC$/m);
    await refusal(hsm.uri(token, { label: 'p256', id: '99' }), 'TOKEN_KEY_NOT_FOUND');
  });

  it('is refused when two keys match, and found when one is named', async () => {
    await refusal(hsm.uri(token, {}), 'TOKEN_KEY_AMBIGUOUS');
    await hsm.addKey(token, { label: 'twin', id: '21', type: 'EC:prime256v1' });
    await hsm.addKey(token, { label: 'twin', id: '22', type: 'EC:prime256v1' });
    const error = await refusal(hsm.uri(token, { label: 'twin' }), 'TOKEN_KEY_AMBIGUOUS');
    assert.match(error.message, /^key: 2 keys match object="twin"$/);
    assert.match(error.hint ?? '', /^twin +21 +EC$/m);
    assert.match(error.hint ?? '', /^twin +22 +EC$/m);
    await withKey(hsm.uri(token, { label: 'twin', id: '22' }), async (key) => {
      assert.deepEqual(key.jwk, jwkOfKey(await publicKeyByTool('22')));
    });
  });

  it('is refused when two tokens have the label, and found by the serial number', async (t) => {
    const other = await createSoftHsm(t);
    const first = await other.addToken('same');
    const second = await other.addToken('same');
    await other.addKey(second, { label: 'k', id: '01', type: 'EC:prime256v1' });
    const context = { ...contextOf(), env: { ...other.env } };
    const uri = other.uri(second, { label: 'k' });
    const bySerial = `;serial=${second.serial}`;
    assert.ok(uri.includes(bySerial));
    const error = await refusal(uri.replace(bySerial, ''), 'TOKEN_AMBIGUOUS', context);
    assert.match(error.hint ?? '', new RegExp(first.serial));
    assert.match(error.hint ?? '', new RegExp(second.serial));
    const key = await openAccountKey(uri, context);
    assert.equal((await key.sign(INPUT)).bytes.length, 64);
    await key.close();
  });

  it('is refused on a curve we do not have', async () => {
    await hsm.addKey(token, { label: 'k1', id: '31', type: 'EC:secp256k1' });
    const error = await refusal(hsm.uri(token, { label: 'k1' }), 'TOKEN_KEY_UNSUPPORTED');
    assert.match(error.message, /06052b8104000a is not supported/);
  });

  it('is refused when it has no public half anywhere', async () => {
    await hsm.addKey(token, { label: 'lonely', id: '41', type: 'EC:prime256v1' });
    await hsm.tool(token, '--delete-object', '--type', 'pubkey', '--id', '41');
    const error = await refusal(hsm.uri(token, { label: 'lonely' }), 'TOKEN_KEY_UNSUPPORTED');
    assert.match(error.message, /shows no public key/);
  });

  it('whose public half is a certificate alone, signs', async () => {
    const id = '51';
    await hsm.addKey(token, { label: 'cert', id, type: 'EC:prime256v1' });
    const publicKey = await publicKeyByTool(id);
    await replacePublicKeyByCertificate(
      id,
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    );
    await withKey(hsm.uri(token, { label: 'cert' }), async (key) => {
      assert.deepEqual(key.jwk, jwkOfKey(publicKey));
      assert.ok(verifySignature('ES256', publicKey, INPUT, (await key.sign(INPUT)).bytes));
    });
  });

  it('RSA without a public object, shows its modulus itself', async () => {
    const publicKey = await publicKeyByTool('01');
    const other = await createSoftHsm(scope);
    const lonely = await other.addToken('rsa');
    await other.addKey(lonely, { label: 'r', id: '01', type: 'rsa:2048' });
    await other.tool(lonely, '--delete-object', '--type', 'pubkey', '--id', '01');
    const key = await openAccountKey(other.uri(lonely, { label: 'r' }), {
      ...contextOf(),
      env: { ...other.env },
    });
    assert.notDeepEqual(key.jwk, jwkOfKey(publicKey));
    assert.ok(verifySignature('RS256', key.publicKey, INPUT, (await key.sign(INPUT)).bytes));
    await key.close();
  });

  it('is refused when the module is missing, or is none', async () => {
    const text = join(hsm.folder, 'text.so');
    writeFileSync(text, 'not a library');
    const uri = hsm.uri(token, { label: 'p256' });
    const withModule = (path: string): string => uri.replace(SOFTHSM_MODULE, path);
    assert.match(
      (await refusal(withModule('/nowhere/x.so'), 'TOKEN_MODULE')).message,
      /no such file/,
    );
    assert.match(
      (await refusal(withModule(text), 'TOKEN_MODULE')).message,
      /not a PKCS#11 library/,
    );
    const library = (
      await mustRun('sh', ['-c', 'ls /lib/*/libz.so.1 /lib/*/libm.so.6 | head -1'])
    ).trim();
    const error = await refusal(withModule(library), 'TOKEN_MODULE');
    assert.match(error.message, /not a PKCS#11 library: .*C_GetFunctionList/);
    await refusal(uri.replace(/module-path=[^&]*&/, ''), 'KEY_URI');
  });

  it('is refused when the module cannot start', async () => {
    const env = { SOFTHSM2_CONF: '/nowhere/softhsm2.conf' };
    const uri = hsm.uri(token, { label: 'p256' });
    const error = await refusal(uri, 'TOKEN_MODULE', contextOf({ env }));
    assert.match(error.message, /C_Initialize: CKR_GENERAL_ERROR/);
  });

  it('is refused when the PIN file is missing, or others can read it', async () => {
    const uri = hsm.uri(token, { label: 'p256' });
    await refusal(`${uri}-none`, 'SYS_PATH');
    const open = join(hsm.folder, 'open-pin');
    writeFileSync(open, token.pin, { mode: 0o644 });
    await refusal(uri.replace(token.pinFile, open), 'SYS_UNSAFE_PATH');
    await refusal(uri.replace(/&pin-source=.*/, ''), 'KEY_PIN_SOURCE');
    await refusal(uri.replace(/&pin-source=.*/, '&pin-source=1234'), 'KEY_PIN_SOURCE');
  });

  async function publicKeyByTool(id: string): Promise<ReturnType<typeof createPublicKey>> {
    const file = join(hsm.folder, `public-${id}.der`);
    const object = ['--type', 'pubkey', '--id', id];
    await hsm.tool(token, '--read-object', ...object, '--output-file', file);
    const pem = await mustRun('openssl', ['pkey', '-pubin', '-inform', 'DER', '-in', file]);
    return createPublicKey(pem);
  }

  async function replacePublicKeyByCertificate(id: string, publicPem: string): Promise<void> {
    const file = (name: string): string => join(hsm.folder, name);
    writeFileSync(file('cert-public.pem'), publicPem);
    const curve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
    await mustRun('openssl', ['genpkey', ...curve, '-out', file('ca.key')]);
    const subject = ['-subj', '/CN=x', '-force_pubkey', file('cert-public.pem'), '-days', '2'];
    const output = ['-outform', 'DER', '-out', file('cert.der')];
    await mustRun('openssl', ['x509', '-new', '-signkey', file('ca.key'), ...subject, ...output]);
    await hsm.tool(token, '--delete-object', '--type', 'pubkey', '--id', id);
    const write = ['--write-object', file('cert.der'), '--type', 'cert', '--id', id];
    await hsm.tool(token, ...write);
  }
});
