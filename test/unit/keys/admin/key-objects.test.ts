// One key of a token: imported, deleted, attested. A token that gives another signature or the
// attestation of another key is not believed.

import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { algorithmOfKey } from '../../../../src/jose/algorithms.js';
import { jwkOfKey } from '../../../../src/jose/public-jwk.js';
import { signWithKeySync } from '../../../../src/jose/signature.js';
import { AdminClient } from '../../../../src/keys/admin/admin-client.js';
import {
  attestKeyWith,
  deleteKeyWith,
  importKeyWith,
} from '../../../../src/keys/admin/key-objects.js';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { parsePkcs11Uri } from '../../../../src/keys/pkcs11/uri.js';
import { AppError } from '../../../../src/lib/errors.js';
import type { KeyInfo } from '../../../../src/token/messages.js';
import { formatCertificate } from '../../../piv-card/certificate.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeKeyPair, type KeyPair } from '../../../support/key-pair.js';
import { ScriptedHelper } from '../../../support/keys/scripted-helper.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';

const OURS = makeKeyPair('ec');
const OTHERS = makeKeyPair('ec');
const URI = parsePkcs11Uri('pkcs11:object=account');
const KEY = keyOf({ hasPrivate: true });
const CONTEXT: KeyContext = { env: {}, log: () => undefined };
const track = <T>(work: () => Promise<T>): Promise<T> => work();

function keyOf(change: Partial<KeyInfo>): KeyInfo {
  const jwk = jwkOfKey(OURS.publicKey);
  return { label: 'account', id: '01', hasPrivate: false, type: 'P-256', jwk, ...change };
}

interface Holding {
  readonly keys?: readonly KeyInfo[];
  /** The key with which it signs. */
  readonly signer?: KeyObject;
  readonly certificates?: readonly Buffer[];
}

/** A helper of a token without a PIN. */
function makeAdmin(holding: Holding): { admin: AdminClient; helper: ScriptedHelper } {
  const helper = new ScriptedHelper((request) => {
    switch (request.op) {
      case 'open':
        return { kind: 'token', token: { ...TOKEN_INFO, loginRequired: false } };
      case 'list-keys':
        return { kind: 'keys', keys: [...(holding.keys ?? [])], more: false };
      case 'select-key':
        return { kind: 'key', key: KEY };
      case 'import-key':
        return { kind: 'key', key: KEY };
      case 'delete-key':
        return { kind: 'deleted', privateKeys: 1, publicKeys: 2, certificates: 3 };
      case 'attest':
        return {
          kind: 'certificates',
          certificates: (holding.certificates ?? []).map((der) => der.toString('base64')),
        };
      case 'sign': {
        const signer = holding.signer ?? OURS.privateKey;
        const input = Buffer.from(request.input, 'base64');
        const signature = signWithKeySync(algorithmOfKey(signer), signer, input);
        return { kind: 'signature', signature: signature.toString('base64') };
      }
      default:
        return { kind: 'done' };
    }
  });
  return { admin: new AdminClient(helper, 1000), helper };
}

describe('a key that is imported', () => {
  const wanted = { label: 'account', id: '01', privateKey: OURS.privateKey, track };

  it('signs once, and is reported with its public key', async () => {
    const { admin, helper } = makeAdmin({});
    const made = await importKeyWith(admin, URI, wanted, CONTEXT);
    assert.deepEqual(made.jwk, jwkOfKey(OURS.publicKey));
    assert.equal(made.privateHalf, 'present');
    assert.deepEqual(helper.operations, ['open', 'import-key', 'select-key', 'sign']);
    const [, sent] = helper.requests;
    assert.ok(sent?.op === 'import-key');
    const pkcs8 = OURS.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64');
    assert.equal(sent.pkcs8, pkcs8);
  });

  it('is deleted again when its signature is wrong', async () => {
    const { admin, helper } = makeAdmin({ signer: OTHERS.privateKey });
    await appErrorOf(() => importKeyWith(admin, URI, wanted, CONTEXT), 'KEY_BAD_SIGNATURE');
    assert.deepEqual(helper.requests.at(-1), { op: 'delete-key', label: 'account', id: '01' });
  });
});

describe('a key that is deleted', () => {
  it('is the one that was confirmed, and is counted', async () => {
    const { admin, helper } = makeAdmin({ keys: [KEY, keyOf({ label: 'another' })] });
    const confirmed: string[] = [];
    const deleted = await deleteKeyWith(
      admin,
      URI,
      (key, token) => {
        confirmed.push(`${key.label} of ${token.label}`);
        return Promise.resolve();
      },
      CONTEXT,
    );
    assert.deepEqual(confirmed, ['account of acme']);
    assert.deepEqual([deleted.privateKeys, deleted.publicKeys, deleted.certificates], [1, 2, 3]);
    assert.deepEqual(helper.requests.at(-1), { op: 'delete-key', label: 'account', id: '01' });
  });

  it('stays when it is not confirmed', async () => {
    const { admin, helper } = makeAdmin({ keys: [KEY] });
    const refuse = (): Promise<void> => Promise.reject(new AppError('KEY_UNCONFIRMED', 'no'));
    await appErrorOf(() => deleteKeyWith(admin, URI, refuse, CONTEXT), 'KEY_UNCONFIRMED');
    assert.ok(!helper.operations.includes('delete-key'));
  });

  it('may be a public key alone; of several none is chosen', async () => {
    const orphan = keyOf({ hasPrivate: false });
    const agree = (): Promise<void> => Promise.resolve();
    const { admin } = makeAdmin({ keys: [orphan] });
    assert.equal((await deleteKeyWith(admin, URI, agree, CONTEXT)).key.hasPrivate, false);
    const both = makeAdmin({ keys: [orphan, KEY] });
    assert.equal((await deleteKeyWith(both.admin, URI, agree, CONTEXT)).key.hasPrivate, true);
    for (const keys of [[], [orphan, orphan], [KEY, KEY]]) {
      const { admin: unsure, helper } = makeAdmin({ keys });
      await appErrorOf(() => deleteKeyWith(unsure, URI, agree, CONTEXT), 'TOKEN_KEY_AMBIGUOUS');
      assert.equal(helper.operations.at(-1), 'select-key', 'the token says what it has');
    }
  });
});

describe('an attestation', () => {
  const certificate = (subject: KeyPair, issuer: KeyPair): Buffer =>
    formatCertificate({
      subject: 'slot',
      publicKey: subject.publicKey,
      issuer: 'issuer',
      issuerKey: issuer.privateKey,
    });
  const attest = (...certificates: readonly Buffer[]) =>
    attestKeyWith(makeAdmin({ keys: [KEY], certificates }).admin, URI, track, CONTEXT);

  it('is of the key, with the issuer that signed it', async () => {
    const issuer = certificate(OTHERS, OTHERS);
    const { attestation, issuer: found } = await attest(certificate(OURS, OTHERS), issuer);
    assert.deepEqual(jwkOfKey(attestation.publicKey), jwkOfKey(OURS.publicKey));
    assert.deepEqual(found?.raw, issuer);
  });

  it('has no issuer when the other certificate did not sign it', async () => {
    assert.equal((await attest(certificate(OURS, OTHERS))).issuer, undefined);
    const stranger = certificate(OURS, OURS);
    assert.equal((await attest(certificate(OURS, OTHERS), stranger)).issuer, undefined);
  });

  it('of another key, or that is no certificate, is refused', async () => {
    for (const [certificates, message] of [
      [[certificate(OTHERS, OTHERS)], 'key: the attestation is of another key'],
      [[], 'key: the attestation is of another key'],
      [[Buffer.from('x')], 'key: the attestation is no certificate'],
    ] as const) {
      const error = await appErrorOf(() => attest(...certificates), 'TOKEN_FAILED');
      assert.equal(error.message, message);
    }
  });
});
