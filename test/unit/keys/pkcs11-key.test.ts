// An account key in a token: how it is opened, with and without a login. The token is a double.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { isTokenKey } from '../../../src/keys/account-key.js';
import type { KeyContext } from '../../../src/keys/key-context.js';
import { openPkcs11Key, type Pkcs11Key } from '../../../src/keys/pkcs11-key.js';
import { Secret } from '../../../src/lib/secret.js';
import { appErrorOf } from '../../support/app-error.js';
import { clientOf } from '../../support/daemon/clients.js';
import { FakeToken, failedCall, KEY } from '../../support/keys/fake-token.js';
import { accountKeyOf, makeKey } from '../../support/keys/keys.js';
import { atEnd } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const SOFTWARE_KEY = makeKey('ES256');
const JWK = jwkOfKey(SOFTWARE_KEY.publicKey);
/** Any file that only root can change does for a module that is not loaded. */
const URI = 'pkcs11:token=acme;object=k?module-path=/etc/hostname';

interface Bed {
  readonly token: FakeToken;
  readonly open: (change?: Partial<KeyContext>) => Promise<Pkcs11Key>;
}

async function newBed(t: TestContext): Promise<Bed> {
  const token = new FakeToken();
  token.key = { ...KEY, jwk: JWK };
  token.listed = [token.key];
  const state = await makeTempDir(t);
  const open = async (change: Partial<KeyContext> = {}): Promise<Pkcs11Key> => {
    const context: KeyContext = {
      env: { PIN: '123456' },
      pinSource: 'env:PIN',
      log: () => undefined,
      stateDirectory: () => state,
      ...change,
    };
    const key = await openPkcs11Key(URI, context, token.startHelper);
    atEnd(t, () => key.close());
    return key;
  };
  return { token, open };
}

function refusePin({ token }: Bed): void {
  token.failAlways('login', failedCall('CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'));
}

describe('a key in a token', () => {
  it('is opened by a login, and offers what the token has', async (t) => {
    const bed = await newBed(t);
    const key = await bed.open();
    assert.deepEqual([key.algorithm, key.jwk], ['ES256', JWK]);
    assert.ok(key.publicKey.equals(SOFTWARE_KEY.publicKey));
    assert.match(key.description, /^pkcs11:token=acme;object=k/);
    assert.deepEqual([key.helperPids, key.isAvailable], [[1001], true]);
    assert.ok(isTokenKey(key));
    assert.ok(!isTokenKey(accountKeyOf(SOFTWARE_KEY)));
    await key.wake();
    assert.equal((await key.sign(Buffer.from('x'))).bytes.toString(), 'x');
    assert.deepEqual(bed.token.calls, [
      '1 load',
      '1 openToken',
      '1 login',
      '1 selectKey',
      '1 sign',
    ]);
  });

  it('drops the requests of a client, and closes its helper', async (t) => {
    const bed = await newBed(t);
    const key = await bed.open();
    bed.token.isSlow = true;
    const [client, input] = [clientOf('gone'), Buffer.from('x')];
    const first = key.sign(input, { client });
    const second = key.sign(input, { client });
    key.cancel(client);
    await appErrorOf(() => second, 'KEY_CANCELLED');
    bed.token.helper.finish();
    await first;
    await key.close();
    assert.ok(!key.isAvailable);
    assert.equal(bed.token.calls.at(-1), '1 close within 4000');
  });

  it('whose public half is none is refused, and its helper ended', async (t) => {
    const bed = await newBed(t);
    bed.token.key = { ...KEY, jwk: { kty: 'EC' } };
    await appErrorOf(() => bed.open(), 'JOSE_JWK');
    assert.ok(bed.token.helper.isEnded);
  });

  it('with a refused PIN is refused, and shown to nobody', async (t) => {
    const bed = await newBed(t);
    refusePin(bed);
    await appErrorOf(() => bed.open(), 'TOKEN_PIN_INCORRECT');
    assert.equal(bed.token.helpers.length, 1);
    assert.ok(!bed.token.calls.includes('1 listKeys'));
  });

  it('with a refused PIN is opened by its public half, where that is wanted', async (t) => {
    const bed = await newBed(t);
    refusePin(bed);
    const key = await bed.open({ servesLocked: true });
    assert.deepEqual(key.jwk, JWK);
    assert.ok(!key.isAvailable || key.helperPids.length === 0);
    assert.equal(bed.token.calls.filter((call) => call.endsWith('login')).length, 1);
    await appErrorOf(() => key.sign(Buffer.from('x')), 'KEY_PIN_HELD');
    assert.equal(bed.token.calls.filter((call) => call.endsWith('login')).length, 1);
  });

  it('whose token shows no public half is refused with the reason of the login', async (t) => {
    const bed = await newBed(t);
    refusePin(bed);
    bed.token.listed = [];
    await appErrorOf(() => bed.open({ servesLocked: true }), 'TOKEN_PIN_INCORRECT');
    assert.ok(bed.token.helpers.every(({ isEnded }) => isEnded));
  });

  it('whose PIN a person has typed wrong is refused, though its public half shows', async (t) => {
    const bed = await newBed(t);
    refusePin(bed);
    const prompt = (): Promise<Secret> => Promise.resolve(Secret.fromText('1234'));
    const change = { servesLocked: true, pinSource: 'prompt', prompt };
    await appErrorOf(() => bed.open(change), 'TOKEN_PIN_INCORRECT');
  });

  it('that fails otherwise is not looked at without a login', async (t) => {
    const bed = await newBed(t);
    bed.token.failAlways('openToken', failedCall('CKR_DEVICE_ERROR'));
    await appErrorOf(() => bed.open({ servesLocked: true }), 'TOKEN_FAILED');
    assert.ok(!bed.token.calls.some((call) => call.endsWith('listKeys')));
  });
});
