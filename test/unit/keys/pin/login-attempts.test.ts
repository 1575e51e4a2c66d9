// The logins under way in a process, and its stop.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoginAttempts } from '../../../../src/keys/pin/login-attempts.js';
import { appErrorOf } from '../../../support/app-error.js';

describe('login attempts', () => {
  it('are waited for by a stop, whatever becomes of them', async () => {
    const attempts = new LoginAttempts();
    const events: string[] = [];
    let fail: ((error: Error) => void) | undefined;
    const failing = attempts
      .make(() => new Promise((_resolve, reject) => (fail = reject)))
      .catch(() => events.push('failed'));
    assert.ok(!attempts.signal.aborted);
    const stopping = attempts.stop().then(() => events.push('stopped'));
    assert.ok(attempts.signal.aborted);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(events, []);
    fail?.(new Error('no'));
    await Promise.all([failing, stopping]);
    assert.deepEqual(events.sort(), ['failed', 'stopped']);
  });

  it('do not begin after a stop', async () => {
    const attempts = new LoginAttempts();
    assert.equal(await attempts.make(() => Promise.resolve('made')), 'made');
    await attempts.stop();
    let begun = false;
    const error = await appErrorOf(
      () =>
        attempts.make(() => {
          begun = true;
          return Promise.resolve();
        }),
      'KEY_PIN_HELD',
    );
    assert.equal(error.message, 'PIN: not tried any more, for this process is stopping');
    assert.ok(!begun);
  });
});
