// A latch as a value: what is one, when it forbids an attempt, and what people are told of it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  describeLatch,
  errorOfLatch,
  forbidsAttempt,
  formatLatch,
  howToClear,
  newLatch,
  parseLatch,
  type PinLatch,
} from '../../../../src/keys/pin/latch.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';

const ORIGIN = { source: 'file:/etc/pin', identity: 'file:/etc/pin ino=1' };
const LATCH = newLatch(TOKEN_INFO, ORIGIN, undefined, Date.UTC(2026, 10, 22, 1, 33, 39, 123));

function parsed(change: object): PinLatch | undefined {
  return parseLatch(Buffer.from(JSON.stringify({ ...LATCH, ...change })));
}

describe('a new latch', () => {
  it('names token, source and time, and nothing else of the token', () => {
    assert.deepEqual(LATCH, {
      version: 1,
      token: { label: 'acme', serial: 'a1b2', manufacturer: 'maker', model: 'model' },
      source: 'file:/etc/pin',
      identity: 'file:/etc/pin ino=1',
      state: 'attempting',
      attempts: 1,
      since: '2026-11-22T01:33:39.123Z',
    });
    assert.equal(newLatch(TOKEN_INFO, { ...ORIGIN, role: 'so' }, undefined, 0).role, 'so');
  });

  it('counts the attempts of the latch that it replaces', () => {
    const second = newLatch(TOKEN_INFO, ORIGIN, LATCH, 0);
    assert.equal(second.attempts, 2);
    assert.equal(newLatch(TOKEN_INFO, ORIGIN, second, 0).attempts, 3);
  });
});

describe('the text of a latch', () => {
  it('is parsed again to the same', () => {
    const refused: PinLatch = { ...LATCH, role: 'so', state: 'refused', reason: 'no' };
    for (const latch of [LATCH, refused]) {
      assert.deepEqual(parseLatch(Buffer.from(formatLatch(latch))), latch);
    }
    assert.match(formatLatch(LATCH), /^\{\n {2}"version": 1,\n[^]*\}\n$/);
  });

  it('is none with another version, a member too many or a member of another kind', () => {
    assert.deepEqual(parsed({}), LATCH);
    assert.equal(parsed({ source: 'x'.repeat(8192) })?.source.length, 8192);
    for (const change of [
      { version: 2 },
      { more: 1 },
      { token: { ...LATCH.token, more: 1 } },
      { role: 'user' },
      { state: 'open' },
      { attempts: 0 },
      { attempts: 1.5 },
      { since: 'yesterday' },
      { source: undefined },
      { identity: 'x'.repeat(8193) },
    ]) {
      assert.equal(parsed(change), undefined, JSON.stringify(change));
    }
    for (const text of ['', '{', 'null', '[]']) {
      assert.equal(parseLatch(Buffer.from(text)), undefined, text);
    }
  });
});

describe('a latch', () => {
  it('forbids an attempt with the same source, and any after two in a row', () => {
    assert.ok(forbidsAttempt(LATCH, LATCH.identity));
    assert.ok(!forbidsAttempt(LATCH, 'file:/etc/pin ino=2'));
    assert.ok(forbidsAttempt({ ...LATCH, attempts: 2 }, 'file:/etc/pin ino=2'));
  });

  it('is described by what happened', () => {
    assert.equal(
      describeLatch(LATCH),
      'an attempt with the PIN of file:/etc/pin began at 2026-11-22T01:33:39.123Z, and how it ended is not known',
    );
    assert.match(
      describeLatch({ ...LATCH, role: 'so' }, true),
      /^an attempt with the SO PIN of .*Z, and is under way$/,
    );
    const refused: PinLatch = { ...LATCH, state: 'refused' };
    assert.equal(
      describeLatch({ ...refused, reason: 'wrong' }),
      'the PIN of file:/etc/pin was refused at 2026-11-22T01:33:39.123Z (wrong)',
    );
    assert.match(describeLatch(refused, true), / \(no reason was given\)$/);
  });

  it('says what to do: correct a file, or clear it by command too', () => {
    const clear = "clavigerd pin clear --token=a1b2 '--state-directory=/var/lib/my state'";
    const state = '/var/lib/my state';
    assert.equal(howToClear(LATCH, state), `correct file:/etc/pin, or run: ${clear}`);
    const file: PinLatch = { ...LATCH, identity: LATCH.source };
    assert.equal(howToClear(file, state), `correct file:/etc/pin, then run: ${clear}`);
    const variable: PinLatch = { ...LATCH, source: 'env:PIN', identity: 'x' };
    assert.equal(howToClear(variable, state), `correct env:PIN, then run: ${clear}`);
    assert.equal(
      howToClear({ ...LATCH, attempts: 2 }, state),
      `2 attempts in a row failed: correct file:/etc/pin, then run: ${clear}`,
    );
  });

  it('is an error that names the token and escapes what it says of itself', () => {
    const token = { ...LATCH.token, label: 'a\u001b[2J' };
    const error = errorOfLatch({ ...LATCH, token, source: '\u001b]0;' }, '/state');
    assert.equal(error.code, 'KEY_PIN_HELD');
    assert.match(
      error.message,
      /^token "a\\u001b\[2J" \(serial a1b2\): no PIN is tried: an attempt with the PIN of \\u001b\]0; began at /,
    );
    assert.equal(
      error.hint,
      'correct \\u001b]0;, then run: clavigerd pin clear --token=a1b2 --state-directory=/state',
    );
  });
});
