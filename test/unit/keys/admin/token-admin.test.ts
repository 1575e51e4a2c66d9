// The keys that tokens show, before a login and after it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jwkOfKey } from '../../../../src/jose/public-jwk.js';
import { findKeyWith, listContentsWith } from '../../../../src/keys/admin/token-admin.js';
import { HelperClient } from '../../../../src/keys/helper/helper-client.js';
import type { KeyContext } from '../../../../src/keys/key-context.js';
import { parsePkcs11Uri } from '../../../../src/keys/pkcs11/uri.js';
import type { KeyInfo, TokenInfo } from '../../../../src/token/messages.js';
import { TokenError } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeKeyPair } from '../../../support/key-pair.js';
import { ScriptedHelper } from '../../../support/keys/scripted-helper.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';
import type { Scope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const JWK = jwkOfKey(makeKeyPair('ec').publicKey);
const PUBLIC: KeyInfo = { label: 'account', id: '01', hasPrivate: false, type: 'P-256', jwk: JWK };
const PRIVATE: KeyInfo = { ...PUBLIC, hasPrivate: true };
const BLANK: TokenInfo = { ...TOKEN_INFO, slotId: 2, serial: 'blank', initialized: false };
const URI = parsePkcs11Uri('pkcs11:object=account');

interface Token {
  readonly token?: TokenInfo;
  readonly before?: readonly KeyInfo[];
  readonly after?: readonly KeyInfo[];
}

interface Fixture {
  readonly session: HelperClient;
  readonly helper: ScriptedHelper;
  readonly context: KeyContext;
}

async function makeFixture(
  t: Scope,
  { token = TOKEN_INFO, before, after }: Token,
): Promise<Fixture> {
  let isLoggedIn = false;
  const helper = new ScriptedHelper((request) => {
    switch (request.op) {
      case 'list-tokens':
        return { kind: 'tokens', tokens: [token, BLANK] };
      case 'open':
        return request.token.label === 'none'
          ? new TokenError('TOKEN_NOT_FOUND', 'token: none matches')
          : { kind: 'token', token };
      case 'login':
        isLoggedIn = true;
        return { kind: 'done' };
      case 'list-keys':
        return { kind: 'keys', keys: [...((isLoggedIn ? after : before) ?? [])], more: false };
      case 'select-key':
        return { kind: 'key', key: PRIVATE };
      default:
        return { kind: 'done' };
    }
  });
  const state = await makeTempDir(t);
  return {
    helper,
    session: new HelperClient(helper, 1000),
    context: {
      env: { MY_PIN: '1234' },
      pinSource: 'env:MY_PIN',
      log: () => undefined,
      stateDirectory: () => state,
    },
  };
}

describe('a list of keys', () => {
  it('has the keys that tokens show without a login; a blank token has none', async (t) => {
    const other = { ...PUBLIC, label: 'other' };
    const { session, helper, context } = await makeFixture(t, { before: [PUBLIC, other] });
    assert.deepEqual(await listContentsWith(session, URI, false, context), [
      { token: TOKEN_INFO, keys: [PUBLIC] },
      { token: BLANK, keys: [] },
    ]);
    assert.deepEqual(helper.requests, [
      { op: 'list-tokens' },
      { op: 'open', token: { slotId: 1 }, readWrite: false },
      { op: 'list-keys', offset: 0 },
    ]);
  });

  it('has the private keys of one token after a login', async (t) => {
    const { session, helper, context } = await makeFixture(t, { after: [PRIVATE] });
    assert.deepEqual(await listContentsWith(session, URI, true, context), [
      { token: TOKEN_INFO, keys: [PRIVATE] },
    ]);
    assert.deepEqual(helper.operations, ['open', 'login', 'list-keys']);
  });

  it('fails when a token is named and there is none; with no name it may be empty', async (t) => {
    const { session, context } = await makeFixture(t, {});
    const named = parsePkcs11Uri('pkcs11:token=none');
    await appErrorOf(() => listContentsWith(session, named, false, context), 'TOKEN_NOT_FOUND');
    const one = await listContentsWith(
      session,
      parsePkcs11Uri('pkcs11:serial=blank'),
      false,
      context,
    );
    assert.deepEqual(one, [{ token: BLANK, keys: [] }]);
  });
});

describe('the public key of a token', () => {
  it('is read without a login where the token shows it', async (t) => {
    for (const [shown, loginRequired, privateHalf] of [
      [PUBLIC, true, 'unseen'],
      [PUBLIC, false, 'absent'],
      [PRIVATE, true, 'present'],
    ] as const) {
      const token = { ...TOKEN_INFO, loginRequired };
      const { session, helper, context } = await makeFixture(t, { token, before: [shown] });
      const found = await findKeyWith(session, URI, false, context);
      assert.deepEqual(found, { token, key: shown, jwk: JWK, privateHalf });
      assert.deepEqual(helper.operations, ['open', 'list-keys']);
    }
  });

  it('is read after a login where the token shows none, several, or one without its key', async (t) => {
    const unreadable: KeyInfo = { label: 'account', id: '01', hasPrivate: false, type: 'x' };
    for (const before of [[], [PUBLIC, PUBLIC], [unreadable]]) {
      const { session, helper, context } = await makeFixture(t, { before, after: [PRIVATE] });
      const found = await findKeyWith(session, URI, false, context);
      assert.equal(found.privateHalf, 'present');
      assert.deepEqual(helper.operations, [
        ...['open', 'list-keys', 'login', 'list-keys', 'select-key'],
      ]);
    }
  });

  it('is that of no private key when a login shows none', async (t) => {
    const { session, helper, context } = await makeFixture(t, { after: [PUBLIC] });
    const found = await findKeyWith(session, URI, true, context);
    assert.deepEqual(found, { token: TOKEN_INFO, key: PUBLIC, jwk: JWK, privateHalf: 'absent' });
    assert.deepEqual(helper.operations, ['open', 'login', 'list-keys']);
  });
});
