// What a token shows of its key without a login. The token is a double.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { readPublicHalf } from '../../../src/keys/public-key-without-login.js';
import { AppError } from '../../../src/lib/errors.js';
import type { KeyInfo, KeySelector } from '../../../src/token/messages.js';
import { FakeToken, KEY, MODULE } from '../../support/keys/fake-token.js';
import { makeKey } from '../../support/keys/keys.js';

const JWK = jwkOfKey(makeKey('ES256').publicKey);
const SHOWN: KeyInfo = { ...KEY, label: 'a', id: '01', jwk: JWK };
const log = (): void => undefined;

function read(token: FakeToken, key: KeySelector): ReturnType<typeof readPublicHalf> {
  return readPublicHalf(token.startHelper(), { uri: { token: {}, key }, module: MODULE, log });
}

describe('readPublicHalf', () => {
  it('finds the key by label and ID, as far as they are named', async () => {
    const token = new FakeToken();
    token.listed = [SHOWN, { ...SHOWN, label: 'b', id: '02', jwk: undefined }];
    for (const key of [{ label: 'a' }, { id: '01' }, { label: 'a', id: '01' }]) {
      assert.deepEqual(await read(token, key), JWK, JSON.stringify(key));
    }
    for (const key of [{ label: 'c' }, { id: '03' }, { label: 'a', id: '02' }, { label: 'b' }]) {
      assert.equal(await read(token, key), undefined, JSON.stringify(key));
    }
  });

  it('returns none where several match, or none is named and several show', async () => {
    const token = new FakeToken();
    token.listed = [SHOWN, { ...SHOWN, id: '02' }];
    assert.equal(await read(token, { label: 'a' }), undefined);
    assert.equal(await read(token, {}), undefined);
  });

  it('logs in to nothing, and ends its helper whatever happens', async () => {
    const token = new FakeToken();
    token.listed = [SHOWN];
    await read(token, {});
    assert.deepEqual(token.takeCalls(), ['1 load', '1 openToken', '1 listKeys', '1 close']);
    token.failOnce('openToken', new AppError('TOKEN_NOT_FOUND', 'none\n'));
    const lines: string[] = [];
    const found = await readPublicHalf(token.startHelper(), {
      uri: { token: {}, key: {} },
      module: MODULE,
      log: (level, message) => {
        lines.push(`${level} ${message}`);
      },
    });
    assert.equal(found, undefined);
    assert.deepEqual(token.takeCalls(), ['2 load', '2 openToken', '2 close']);
    assert.deepEqual(lines, ['debug token: no public key without a login: none\\u000a']);
  });

  it('does not take what is no public key of an account', async () => {
    const token = new FakeToken();
    token.listed = [{ ...SHOWN, jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } }];
    assert.equal(await read(token, {}), undefined);
  });
});
