import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RateLimit } from '../../../../src/daemon/refusals/rate-limit.js';

describe('RateLimit', () => {
  it('lets some through at once, and the rest at its rate', () => {
    const limit = new RateLimit(100, 2);
    assert.equal(limit.waitMs(0), 0);
    limit.take(1, 0);
    limit.take(1, 0);
    assert.equal(limit.waitMs(0), 1);
    assert.equal(limit.waitMs(1), 0);
    limit.take(1, 1);
    assert.equal(limit.waitMs(1), 9);
    assert.equal(limit.waitMs(11), 0);
  });

  it('has what was taken beyond it paid for', () => {
    const limit = new RateLimit(100, 2);
    limit.take(52, 0);
    assert.equal(limit.waitMs(0), 500);
    assert.equal(limit.waitMs(501), 0);
  });

  it('saves no more than its burst, and knows no time that goes back', () => {
    const limit = new RateLimit(100, 2);
    limit.take(0, 1000);
    limit.take(2, 60_000);
    assert.equal(limit.waitMs(50_000), 1);
  });

  it('never lets more through than rate, burst and one more', () => {
    const steps = fc.array(
      fc.record({ wait: fc.nat(50), amount: fc.integer({ min: 1, max: 20 }) }),
    );
    fc.assert(
      fc.property(steps, (given) => {
        const limit = new RateLimit(1000, 10);
        let now = 0;
        let taken = 0;
        for (const { wait, amount } of given) {
          now += wait;
          if (limit.waitMs(now) === 0) {
            limit.take(amount, now);
            taken += amount;
          }
          assert.ok(taken <= 10 + now + 20);
        }
      }),
    );
  });
});
