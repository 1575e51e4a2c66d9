// Choosing a token: exactly one initialised token must match, and what the error says when none or
// several do.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TokenInfo, TokenSelector } from '../../../src/token/messages.js';
import { selectToken, type Token } from '../../../src/token/tokens.js';
import { appErrorOf } from '../../support/app-error.js';

function tokenOf(label: string, serial: string, initialized = true): Token {
  const info: TokenInfo = {
    label,
    serial,
    manufacturer: 'm',
    model: 'x',
    slotId: Number(serial),
    slotDescription: `slot ${serial}`,
    libraryVersion: '2.6',
    initialized,
    loginRequired: true,
    pinState: 'ok',
  };
  return { slot: Buffer.alloc(8), info };
}

const TOKENS = [
  tokenOf('one', '1'),
  tokenOf('two', '2'),
  tokenOf('two', '3'),
  tokenOf('', '4', false),
];

const MODULE = '/m.so';

describe('choice of a token', () => {
  const found: readonly (readonly [TokenSelector, string])[] = [
    [{ label: 'one' }, '1'],
    [{ serial: '2' }, '2'],
    [{ label: 'two', serial: '3' }, '3'],
    [{ slotId: 3 }, '3'],
    [{ slotDescription: 'slot 3' }, '3'],
    [{ label: 'one', libraryVersion: '2.6' }, '1'],
  ];
  for (const [selector, serial] of found) {
    it(`${JSON.stringify(selector)} finds ${serial}`, () => {
      assert.equal(selectToken(TOKENS, selector, MODULE).info.serial, serial);
    });
  }

  it('takes the only one there is, when none is named', () => {
    assert.equal(
      selectToken([tokenOf('one', '1'), tokenOf('', '4', false)], {}, MODULE).info.serial,
      '1',
    );
  });

  it('is refused where several match, naming them', async () => {
    const error = await appErrorOf(
      () => selectToken(TOKENS, { label: 'two' }, MODULE),
      'TOKEN_AMBIGUOUS',
    );
    assert.equal(error.message, 'token: 2 tokens match token="two"');
    assert.deepEqual(error.hint?.split('\n'), [
      'name one by its serial (serial= in the URI, or --serial): "two" (serial 2), "two" (serial 3)',
      'TOKEN  SERIAL  MANUFACTURER  MODEL  SLOT-ID',
      'two    2       m             x      2',
      'two    3       m             x      3',
    ]);
    const all = await appErrorOf(() => selectToken(TOKENS, {}, MODULE), 'TOKEN_AMBIGUOUS');
    assert.match(all.message, /3 tokens match \(no token named\)/);
  });

  it('is refused where none matches, naming what there is', async () => {
    const error = await appErrorOf(
      () => selectToken(TOKENS, { slotId: 9 }, MODULE),
      'TOKEN_NOT_FOUND',
    );
    assert.equal(error.message, 'token: none matches slot-id=9');
    assert.deepEqual(error.hint?.split('\n'), [
      'the module shows the tokens "one" (serial 1), "two" (serial 2), "two" (serial 3); to see them and their keys: clavigerd key list --module=/m.so',
      'TOKEN              SERIAL  MANUFACTURER  MODEL  SLOT-ID',
      'one                1       m             x      1',
      'two                2       m             x      2',
      'two                3       m             x      3',
      '(not initialised)  4       m             x      4',
    ]);
    const version = await appErrorOf(
      () => selectToken(TOKENS, { libraryVersion: '2.7' }, MODULE),
      'TOKEN_NOT_FOUND',
    );
    assert.equal(version.message, 'token: none matches library-version="2.7"');
    assert.match(version.hint ?? '', /LIBRARY-VERSION\none .* 2\.6$/m);
  });

  it('is refused where there is nothing to choose from, saying so', async () => {
    const blank = await appErrorOf(
      () => selectToken([tokenOf('', '4', false)], {}, MODULE),
      'TOKEN_NOT_FOUND',
    );
    assert.match(blank.hint ?? '', /^the module shows no initialised token; .* --module=\/m\.so\n/);
    const none = await appErrorOf(() => selectToken([], {}, MODULE), 'TOKEN_NOT_FOUND');
    assert.match(none.hint ?? '', /shows no token/);
  });

  it('shows a few of very many, and nothing that a terminal would obey', async () => {
    const many = Array.from({ length: 12 }, (_, at) => tokenOf('\u001b[2J', String(at)));
    const error = await appErrorOf(
      () => selectToken(many, { label: 'x' }, MODULE),
      'TOKEN_NOT_FOUND',
    );
    assert.match(error.hint ?? '', /and 4 more$/);
    assert.ok(!(error.hint ?? '').includes('\u001b'));
  });

  it('leaves out tokens that are not initialised', async () => {
    await appErrorOf(() => selectToken(TOKENS, { serial: '4' }, MODULE), 'TOKEN_NOT_FOUND');
  });
});
