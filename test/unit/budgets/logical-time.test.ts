// Time under a clock that is set forward and back.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LogicalTime } from '../../../src/budgets/logical-time.js';

const START = 1_700_000_000_000;

function makeTime(earliest: number): { wall: number; monotonic: number; time: LogicalTime } {
  const state = { wall: START, monotonic: 50 };
  const time = new LogicalTime({ now: () => state.wall }, () => state.monotonic, earliest);
  return Object.assign(state, { time });
}

describe('the time', () => {
  it('is the clock, while that goes on', () => {
    const state = makeTime(0);
    assert.equal(state.time.now(), START);
    state.wall += 5000;
    state.monotonic += 5000;
    assert.equal(state.time.now(), START + 5000);
    assert.equal(state.time.aheadMs, 0);
  });

  it('goes on at the same pace when the clock is set back, until the clock is ahead again', () => {
    const state = makeTime(0);
    state.wall -= 3_600_000;
    state.monotonic += 10.9;
    assert.equal(state.time.now(), START + 10);
    assert.equal(state.time.aheadMs, 3_600_010);
    state.wall = START + 11;
    assert.equal(state.time.now(), START + 11);
  });

  it('follows the clock forward, and stays there', () => {
    const state = makeTime(0);
    state.wall += 86_400_000;
    assert.equal(state.time.now(), START + 86_400_000);
    state.wall -= 86_400_000;
    assert.equal(state.time.now(), START + 86_400_000);
  });

  it('does not begin before the latest one known', () => {
    const state = makeTime(START + 7000);
    assert.equal(state.time.now(), START + 7000);
    state.monotonic += 1000;
    assert.equal(state.time.now(), START + 8000);
  });
});

it('never goes back, nor slower than the monotonic clock, whatever the clock does', () => {
  const step = fc.record({
    wall: fc.integer({ min: -5000, max: 5000 }),
    monotonic: fc.double({ min: 0, max: 2000, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const state = makeTime(0);
      const firstMonotonic = state.monotonic;
      let last = state.time.now();
      for (const { wall, monotonic } of steps) {
        state.wall += wall;
        state.monotonic += monotonic;
        const now = state.time.now();
        assert.ok(now >= last && now >= state.wall && Number.isSafeInteger(now));
        assert.ok(now > START + (state.monotonic - firstMonotonic) - 1.001);
        last = now;
      }
    }),
  );
});
