// The latch of a token among those of others, and its lock.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { newLatch } from '../../../../src/keys/pin/latch.js';
import { listLatches, PinLatchStore, removeLatch } from '../../../../src/keys/pin/latch-store.js';
import { appErrorOf } from '../../../support/app-error.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const LATCH = newLatch(TOKEN_INFO, { source: 'env:PIN', identity: 'env:PIN' }, undefined, 0);
const WAIT = { waitMs: 20_000, signal: new AbortController().signal };

describe('the latch of a token', () => {
  it('is that of its maker, model and serial number, and of the role', async (t) => {
    const state = await makeTempDir(t);
    const store = new PinLatchStore(state);
    await store.withLock(TOKEN_INFO, WAIT, (locked) => locked.write(LATCH));
    assert.deepEqual(store.read(TOKEN_INFO), LATCH);
    assert.deepEqual(store.read({ ...TOKEN_INFO, label: 'renamed' }), LATCH);
    for (const change of [{ serial: 'x' }, { model: 'x' }, { manufacturer: 'x' }]) {
      assert.equal(store.read({ ...TOKEN_INFO, ...change }), undefined, JSON.stringify(change));
    }
    assert.equal(store.read({ ...TOKEN_INFO, serial: 'modela1b2', model: '' }), undefined);
    assert.equal(new PinLatchStore(state, 'so').read(TOKEN_INFO), undefined);
  });

  it('is found by every version of the program: its file name is fixed', async (t) => {
    const state = await makeTempDir(t);
    for (const role of ['user', 'so'] as const) {
      const store = new PinLatchStore(state, role);
      await store.withLock(TOKEN_INFO, WAIT, (locked) => locked.write(LATCH));
    }
    const names = listLatches(state).map(({ path }) => path.slice(state.length));
    assert.deepEqual(names, [
      '/pin-latches/299c917810d2033f8bfe060d37f88d7b.json',
      '/pin-latches/aa83f64a8f13b066604125152e99dc06.json',
    ]);
  });

  it('that is damaged forbids every attempt', async (t) => {
    const state = await makeTempDir(t);
    const store = new PinLatchStore(state);
    await store.withLock(TOKEN_INFO, WAIT, (locked) => locked.write(LATCH));
    const path = listLatches(state)[0]?.path ?? '';
    writeFileSync(path, '{}');
    const error = await appErrorOf(() => store.read(TOKEN_INFO), 'KEY_PIN_HELD');
    assert.equal(error.message, `PIN: ${path} is damaged, so no attempt is made`);
    assert.match(error.hint ?? '', /then run: clavigerd pin clear$/);
    await store.withLock(TOKEN_INFO, WAIT, async (locked) => {
      await appErrorOf(() => locked.read(), 'KEY_PIN_HELD');
    });
    assert.deepEqual(listLatches(state), [{ path, latch: undefined, isUnderWay: false }]);
  });

  it('is read under the lock, and removed', async (t) => {
    const store = new PinLatchStore(await makeTempDir(t));
    const seen = await store.withLock(TOKEN_INFO, WAIT, async (locked) => {
      const before = locked.read();
      await locked.write(LATCH);
      const after = locked.read();
      locked.remove();
      return [before, after, locked.read()];
    });
    assert.deepEqual(seen, [undefined, LATCH, undefined]);
  });

  it('is not looked for where there is no folder', async (t) => {
    const state = join(await makeTempDir(t), 'none');
    assert.equal(new PinLatchStore(state).read(TOKEN_INFO), undefined);
    assert.deepEqual(listLatches(state), []);
    await removeLatch(join(state, 'pin-latches', 'x.json'), WAIT);
    assert.ok(!existsSync(state));
  });
});

describe('the lock of a token', () => {
  it('is given back, also after an error', async (t) => {
    const store = new PinLatchStore(await makeTempDir(t));
    const failure = new Error('in use');
    await assert.rejects(
      store.withLock(TOKEN_INFO, WAIT, () => Promise.reject(failure)),
      failure,
    );
    assert.equal(await store.withLock(TOKEN_INFO, WAIT, () => Promise.resolve('next')), 'next');
  });

  it('is waited for as long as one may, by an attempt and by a removal', async (t) => {
    const state = await makeTempDir(t);
    const store = new PinLatchStore(state);
    await store.withLock(TOKEN_INFO, WAIT, async (locked) => {
      await locked.write(LATCH);
      const [latch] = listLatches(state);
      assert.equal(latch?.isUnderWay, true);
      const short = { ...WAIT, waitMs: 500 };
      const attempt = (): Promise<void> =>
        store.withLock(TOKEN_INFO, short, () => Promise.resolve());
      const error = await appErrorOf(attempt, 'KEY_PIN_HELD');
      assert.equal(
        error.message,
        'token "acme" (serial a1b2): another process is logging in to it',
      );
      assert.match(error.hint ?? '', /^it was waited for 0.5 s; /);
      const removal = await appErrorOf(() => removeLatch(latch.path, short), 'KEY_PIN_HELD');
      assert.equal(removal.message, `PIN: ${latch.path}: the attempt is under way`);
      await locked.write({ ...LATCH, state: 'refused' });
      assert.equal(listLatches(state)[0]?.isUnderWay, false, 'it is over, though locked still');
    });
    const [latch] = listLatches(state);
    await removeLatch(latch?.path ?? '', WAIT);
    assert.deepEqual(listLatches(state), []);
  });

  it('of one token does not keep others from another', async (t) => {
    const store = new PinLatchStore(await makeTempDir(t));
    const other = { ...TOKEN_INFO, serial: 'c3d4' };
    const inner = await store.withLock(TOKEN_INFO, WAIT, () =>
      store.withLock(other, { ...WAIT, waitMs: 0 }, () => Promise.resolve('free')),
    );
    assert.equal(inner, 'free');
  });
});
