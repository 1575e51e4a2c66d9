// Which token and which key may get the PIN, and which not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TokenLogin } from '../../../../src/keys/helper/login.js';
import { AppError } from '../../../../src/lib/errors.js';
import type { KeyInfo } from '../../../../src/token/messages.js';
import { appErrorOf } from '../../../support/app-error.js';
import { FakeGuard, FakeToken, failedCall, KEY, TOKEN } from '../../../support/keys/fake-token.js';

const OTHER_KEY: KeyInfo = { ...KEY, jwk: { kty: 'EC', crv: 'P-256', x: 'BB', y: 'BB' } };

function newBed(): { login: TokenLogin; guard: FakeGuard; token: FakeToken } {
  const guard = new FakeGuard();
  return { login: new TokenLogin(guard), guard, token: new FakeToken() };
}

describe('TokenLogin', () => {
  it('logs in by way of the guard, once, and again after a logout when asked to', async () => {
    const { login, guard, token } = newBed();
    await login.logIn(token.startHelper(), TOKEN, false);
    await login.logIn(token.helper, TOKEN, true);
    assert.deepEqual(token.takeCalls(), ['1 login', '1 login again']);
    assert.equal(guard.logins, 2);
  });

  it('sends no PIN to a token that requires no login', async () => {
    const { login, guard, token } = newBed();
    await login.logIn(token.startHelper(), { ...TOKEN, loginRequired: false }, false);
    assert.deepEqual([guard.logins, token.takeCalls()], [0, []]);
  });

  it('sends no PIN where the guard refuses', async () => {
    const { login, guard, token } = newBed();
    guard.refusal = new AppError('KEY_PIN_HELD', 'held');
    await appErrorOf(() => login.logIn(token.startHelper(), TOKEN, false), 'KEY_PIN_HELD');
    await appErrorOf(() => {
      login.assertOpen();
    }, 'KEY_PIN_HELD');
    assert.deepEqual(token.takeCalls(), []);
  });

  it('rejects a refused PIN as the token does, and tries no second time', async () => {
    const { login, guard, token } = newBed();
    token.failOnce('login', failedCall('CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'));
    await appErrorOf(() => login.logIn(token.startHelper(), TOKEN, false), 'TOKEN_PIN_INCORRECT');
    assert.deepEqual([guard.logins, token.takeCalls()], [1, ['1 login']]);
  });

  it('sends the PIN of one token to no other', async () => {
    const { login, guard, token } = newBed();
    login.assertSameKey({ token: TOKEN, key: KEY });
    const other = { ...TOKEN, serial: '02' };
    const error = await appErrorOf(
      () => login.logIn(token.startHelper(), other, false),
      'TOKEN_NOT_FOUND',
    );
    assert.equal(error.message, 'token: serial was "01" and is now "02"');
    assert.ok(error.hint !== undefined);
    assert.deepEqual([guard.logins, token.takeCalls()], [0, []]);
  });

  it('sends it to no token of the same serial number with another key', async () => {
    const { login, guard, token } = newBed();
    login.assertSameKey({ token: TOKEN, key: KEY });
    token.listed = [OTHER_KEY];
    const error = await appErrorOf(
      () => login.logIn(token.startHelper(), TOKEN, false),
      'TOKEN_KEY_NOT_FOUND',
    );
    assert.equal(error.message, 'key: the token now holds another key of this name');
    assert.ok(error.hint !== undefined);
    assert.deepEqual([guard.logins, token.takeCalls()], [0, ['1 listKeys']]);
  });

  const shown: readonly (readonly [string, readonly KeyInfo[]])[] = [
    ['the same key', [KEY]],
    ['the same key among others', [OTHER_KEY, KEY]],
    ['no key', []],
    ['keys of another ID alone', [{ ...OTHER_KEY, id: '02' }]],
    ['a key without its public half', [{ ...KEY, jwk: undefined }]],
  ];
  for (const [what, listed] of shown) {
    it(`sends it to the same token that shows ${what}`, async () => {
      const { login, guard, token } = newBed();
      login.assertSameKey({ token: TOKEN, key: KEY });
      token.listed = listed;
      await login.logIn(token.startHelper(), TOKEN, false);
      assert.equal(guard.logins, 1);
    });
  }

  it('takes the first key found for the one that all sessions must have', async () => {
    const { login } = newBed();
    login.assertSameKey({ token: TOKEN, key: KEY });
    login.assertSameKey({ token: TOKEN, key: { ...KEY, label: 'renamed' } });
    await appErrorOf(() => {
      login.assertSameKey({ token: TOKEN, key: OTHER_KEY });
    }, 'TOKEN_KEY_NOT_FOUND');
    login.assertSameKey({ token: TOKEN, key: KEY });
  });

  it('has the guard watch signatures that need the PIN each time, and no others', async () => {
    const { login, guard } = newBed();
    const always = { ...KEY, alwaysAuthenticate: true };
    const sign = (): Promise<string> => Promise.resolve('signed');
    assert.equal(await login.sign({ token: TOKEN, key: always }, sign), 'signed');
    assert.equal(guard.proofs, 1);
    assert.equal(await login.sign({ token: TOKEN, key: KEY }, sign), 'signed');
    const open = { ...TOKEN, loginRequired: false };
    assert.equal(await login.sign({ token: open, key: always }, sign), 'signed');
    assert.equal(guard.proofs, 1);
  });

  it('closes the guard, which wipes the PIN', () => {
    const { login, guard } = newBed();
    login.close();
    assert.ok(guard.isClosed);
  });
});
