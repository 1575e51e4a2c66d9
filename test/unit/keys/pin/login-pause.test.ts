// Pauses between logins, by a clock that the test sets.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoginPause } from '../../../../src/keys/pin/login-pause.js';
import { AppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';

const NOT_READ = new AppError('KEY_PIN', 'PIN: not read');

function makePause(): { pause: LoginPause; time: { now: number } } {
  const time = { now: 1_000_000 };
  return { pause: new LoginPause({ now: () => time.now }), time };
}

describe('a pause', () => {
  it('lasts ten seconds', () => {
    const { pause, time } = makePause();
    assert.equal(pause.reason, undefined);
    pause.begin(NOT_READ);
    assert.equal(pause.reason, NOT_READ);
    time.now += 9_999;
    assert.equal(pause.reason, NOT_READ);
    time.now += 1;
    assert.equal(pause.reason, undefined);
  });

  it('ends with a login that succeeded', () => {
    const { pause } = makePause();
    pause.begin(NOT_READ);
    pause.end();
    assert.equal(pause.reason, undefined);
  });

  it('does not keep recovery from a login, unless logins failed half-way', async () => {
    const { pause } = makePause();
    pause.begin(NOT_READ);
    pause.assertNotUnclear();
    pause.countUnclear('token');
    pause.assertNotUnclear();
    const reason = pause.countUnclear('token');
    assert.equal(
      await appErrorOf(() => {
        pause.assertNotUnclear();
      }, 'KEY_PIN_HELD'),
      reason,
    );
  });
});

describe('logins that failed half-way', () => {
  it('lead to a pause from the second in a row, twice as long each time, up to an hour', () => {
    const { pause, time } = makePause();
    assert.equal(pause.countUnclear('token'), undefined);
    assert.equal(pause.reason, undefined);
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      const reason = pause.countUnclear('token "acme"');
      assert.match(
        reason?.message ?? '',
        new RegExp(
          `^token "acme": \\d logins failed half-way; no PIN is tried for ${minutes} min$`,
        ),
      );
      assert.equal(reason?.code, 'KEY_PIN_HELD');
      assert.match(reason.hint ?? '', /a restart tries at once/);
      time.now += minutes * 60_000 - 1;
      assert.equal(pause.reason, reason);
      time.now += 1;
      assert.equal(pause.reason, undefined);
      pause.assertNotUnclear();
    }
  });

  it('are counted anew after one that succeeded', () => {
    const { pause } = makePause();
    pause.countUnclear('token');
    pause.end();
    assert.equal(pause.countUnclear('token'), undefined);
    assert.match(pause.countUnclear('token')?.message ?? '', /^token: 2 logins failed/);
  });
});
