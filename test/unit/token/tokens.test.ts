// Choosing a token: exactly one initialised token must match, and what is told when none or several do.

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

describe('choice of a token', () => {
  const found: readonly (readonly [TokenSelector, string])[] = [
    [{ label: 'one' }, '1'],
    [{ serial: '2' }, '2'],
    [{ label: 'two', serial: '3' }, '3'],
    [{ slotId: 3 }, '3'],
  ];
  for (const [selector, serial] of found) {
    it(`${JSON.stringify(selector)} finds ${serial}`, () => {
      assert.equal(selectToken(TOKENS, selector).info.serial, serial);
    });
  }

  it('takes the only one there is, when none is named', () => {
    assert.equal(selectToken([tokenOf('one', '1'), tokenOf('', '4', false)], {}).info.serial, '1');
  });

  it('is refused where several match, naming them', async () => {
    const error = await appErrorOf(() => selectToken(TOKENS, { label: 'two' }), 'TOKEN_AMBIGUOUS');
    assert.equal(error.message, 'token: 2 tokens match token="two"');
    assert.match(error.hint ?? '', /serial="2".*serial="3"/);
    const all = await appErrorOf(() => selectToken(TOKENS, {}), 'TOKEN_AMBIGUOUS');
    assert.match(all.message, /3 tokens match \(no token named\)/);
  });

  it('is refused where none matches, naming what there is', async () => {
    const error = await appErrorOf(() => selectToken(TOKENS, { slotId: 9 }), 'TOKEN_NOT_FOUND');
    assert.equal(error.message, 'token: none matches slot-id=9');
    assert.match(error.hint ?? '', /token="one" serial="1"/);
    const empty = await appErrorOf(() => selectToken([], {}), 'TOKEN_NOT_FOUND');
    assert.match(empty.hint ?? '', /no initialised token/);
  });

  it('leaves out tokens that are not initialised', async () => {
    await appErrorOf(() => selectToken(TOKENS, { serial: '4' }), 'TOKEN_NOT_FOUND');
  });
});
