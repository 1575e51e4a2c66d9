import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Breaker } from '../../../../src/keys/helper/breaker.js';

function newBreaker(): { breaker: Breaker; pass: (ms: number) => void } {
  let now = 1_000_000;
  const breaker = new Breaker({ now: () => now });
  return {
    breaker,
    pass: (ms) => {
      now += ms;
    },
  };
}

describe('Breaker', () => {
  it('stays closed after single failures, and opens after three in a row', () => {
    const { breaker } = newBreaker();
    breaker.strike();
    breaker.strike();
    breaker.succeed();
    breaker.strike();
    breaker.strike();
    assert.ok(!breaker.isOpen);
    breaker.strike();
    assert.ok(breaker.isOpen);
  });

  it('opens after ten failures in a minute, whatever succeeds between them', () => {
    const { breaker, pass } = newBreaker();
    for (let count = 0; count < 9; count += 1) {
      breaker.strike();
      breaker.succeed();
      pass(5_000);
    }
    assert.ok(!breaker.isOpen);
    breaker.strike();
    assert.ok(breaker.isOpen);
  });

  it('does not count what is longer ago', () => {
    const { breaker, pass } = newBreaker();
    for (let count = 0; count < 50; count += 1) {
      breaker.strike();
      breaker.succeed();
      pass(7_000);
    }
    assert.ok(!breaker.isOpen);
  });

  it('stays open twice as long each time, within bounds, until a signature succeeds', () => {
    const { breaker } = newBreaker();
    const delays = Array.from({ length: 8 }, () => {
      breaker.trip();
      const { delayMs } = breaker;
      breaker.close();
      return delayMs;
    });
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
    assert.ok(!breaker.isOpen);
    breaker.succeed();
    breaker.trip();
    assert.equal(breaker.delayMs, 500);
  });

  it('counts a failure that is just within a minute, and none that is a minute ago', () => {
    for (const [ms, isOpen] of [
      [59_999, true],
      [60_000, false],
    ] as const) {
      const { breaker, pass } = newBreaker();
      breaker.strike();
      breaker.succeed();
      pass(ms);
      for (let count = 0; count < 9; count += 1) {
        breaker.strike();
        breaker.succeed();
      }
      assert.equal(breaker.isOpen, isOpen, `after ${ms} ms`);
    }
  });

  it('counts nothing while it is open, and anew after that', () => {
    const { breaker } = newBreaker();
    for (let count = 0; count < 9; count += 1) {
      breaker.strike();
      breaker.succeed();
    }
    breaker.strike();
    assert.ok(breaker.isOpen);
    const { delayMs } = breaker;
    for (let count = 0; count < 20; count += 1) {
      breaker.strike();
    }
    assert.equal(breaker.delayMs, delayMs);
    breaker.close();
    breaker.succeed();
    breaker.strike();
    breaker.strike();
    assert.ok(!breaker.isOpen);
  });
});
