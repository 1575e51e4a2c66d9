import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LazyKey } from '../../../src/daemon/lazy-key.js';
import { accountKeyOf, makeKey } from '../../support/keys/keys.js';
import { ManualTimers } from '../../support/manual-timers.js';

const KEY = accountKeyOf(makeKey('ES256'));

describe('LazyKey', () => {
  it('opens the key once, for all who ask', async () => {
    let opened = 0;
    const keys = new LazyKey(() => {
      opened += 1;
      return Promise.resolve(KEY);
    }, new ManualTimers());
    assert.deepEqual(await Promise.all([keys.get(), keys.get()]), [KEY, KEY]);
    assert.equal(await keys.get(), KEY);
    assert.equal(opened, 1);
  });

  it('answers with the last error for two seconds, and then tries again', async () => {
    const timers = new ManualTimers();
    let attempts = 0;
    const keys = new LazyKey(() => {
      attempts += 1;
      return attempts === 1 ? Promise.reject(new Error('away')) : Promise.resolve(KEY);
    }, timers);
    await assert.rejects(keys.get(), /away/);
    await timers.advance(1999);
    await assert.rejects(keys.get(), /away/);
    await timers.advance(1);
    assert.equal(await keys.get(), KEY);
    assert.equal(attempts, 2);
  });

  it('closes a key that was opened, and does not wait for one that is being opened', async () => {
    let closed = 0;
    const close = (): Promise<void> => {
      closed += 1;
      return Promise.resolve();
    };
    const opened = new LazyKey(() => Promise.resolve({ ...KEY, close }), new ManualTimers());
    await opened.close();
    assert.equal(closed, 0);
    await opened.get();
    await opened.close();
    assert.equal(closed, 1);
    const opening = new LazyKey(() => new Promise(() => undefined), new ManualTimers());
    void opening.get();
    await opening.close();
  });
});
