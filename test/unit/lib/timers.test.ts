import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemTimers } from '../../../src/lib/timers.js';

describe('systemTimers', () => {
  it('call back once, no sooner than asked by their own clock', async () => {
    const start = systemTimers.now();
    const calls: number[] = [];
    await new Promise<void>((resolve) => {
      systemTimers.after(20, () => {
        calls.push(systemTimers.now());
        resolve();
      });
    });
    await sleep(30);
    assert.equal(calls.length, 1);
    assert.ok(
      (calls[0] ?? 0) - start >= 19,
      'a timer of Node may be a part of a millisecond early',
    );
  });

  it('do not call back once cancelled, and may be cancelled twice', async () => {
    let called = false;
    const timer = systemTimers.after(1, () => {
      called = true;
    });
    timer.cancel();
    timer.cancel();
    await sleep(20);
    assert.ok(!called);
  });

  it('keep the process running by default', (t) => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const count = (): number =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length - before;
    const loose = systemTimers.after(60_000, () => undefined, false);
    assert.equal(count(), 0);
    const keeping = systemTimers.after(60_000, () => undefined);
    assert.equal(count(), 1);
    t.after(() => {
      loose.cancel();
      keeping.cancel();
    });
  });
});
