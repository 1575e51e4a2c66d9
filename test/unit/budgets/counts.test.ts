// What fits into sliding windows, against a slow opinion that keeps everything for ever.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Charge } from '../../../src/policy/budget.js';
import { BudgetCounts } from '../../../src/budgets/counts.js';

/** A key has one window. */
const WINDOW_OF: Readonly<Record<string, number>> = { a: 3, b: 10, c: 40 };

function charge(key: string, limit: number, windowMs: number): Charge {
  return { key, limit, windowMs, text: `${limit} in ${windowMs} ms` };
}

/** Counts the charges where they fit. @returns what does not, and for how long. */
function spend(counts: BudgetCounts, charges: readonly Charge[], now: number): string | undefined {
  const exhausted = counts.exhausted(charges, now);
  if (exhausted !== undefined) {
    return `${exhausted.charge.key} ${exhausted.waitMs}`;
  }
  assert.ok(counts.canHold(charges, now));
  counts.add(charges, now);
  return undefined;
}

describe('a budget', () => {
  it('is used up by its limit, and has room when the first count is a window old', () => {
    const counts = new BudgetCounts();
    const orders = [charge('a', 2, 1000)];
    assert.equal(spend(counts, orders, 5000), undefined);
    assert.equal(spend(counts, orders, 5400), undefined);
    assert.equal(spend(counts, orders, 5400), 'a 600');
    assert.equal(spend(counts, orders, 5999), 'a 1');
    assert.equal(spend(counts, orders, 6000), undefined);
    assert.equal(spend(counts, orders, 6000), 'a 400');
  });

  it('is its key alone', () => {
    const counts = new BudgetCounts();
    assert.equal(spend(counts, [charge('a', 1, 1000)], 0), undefined);
    assert.equal(spend(counts, [charge('b', 1, 1000)], 0), undefined);
    assert.equal(spend(counts, [charge('a', 1, 1000)], 0), 'a 1000');
  });

  it('counts all charges or none', () => {
    const counts = new BudgetCounts();
    spend(counts, [charge('b', 1, 1000)], 0);
    assert.equal(spend(counts, [charge('a', 1, 1000), charge('b', 1, 1000)], 10), 'b 990');
    assert.equal(spend(counts, [charge('a', 1, 1000)], 20), undefined);
  });

  it('names the one to wait longest for', () => {
    const counts = new BudgetCounts();
    spend(counts, [charge('a', 1, 1000), charge('b', 1, 9000), charge('c', 1, 5000)], 0);
    const all = [charge('a', 1, 1000), charge('b', 1, 9000), charge('c', 1, 5000)];
    assert.equal(spend(counts, all, 0), 'b 9000');
  });

  it('counts once for charges that share a key, and checks each of them', () => {
    const counts = new BudgetCounts();
    const both = [charge('a', 3, 1000), charge('a', 2, 1000)];
    assert.equal(spend(counts, both, 0), undefined);
    assert.equal(spend(counts, both, 1), undefined);
    assert.equal(spend(counts, both, 2), 'a 998');
    assert.equal(spend(counts, [charge('a', 3, 1000)], 2), undefined);
  });

  it('whose limit was lowered waits until enough has left; raised, it has room at once', () => {
    const counts = new BudgetCounts();
    for (const now of [0, 100, 200]) {
      spend(counts, [charge('a', 3, 1000)], now);
    }
    assert.equal(spend(counts, [charge('a', 1, 1000)], 300), 'a 900');
    assert.equal(spend(counts, [charge('a', 4, 1000)], 300), undefined);
  });

  it('of nothing never has room', () => {
    const counts = new BudgetCounts();
    assert.equal(spend(counts, [charge('a', 0, 1000)], 0), 'a 1000');
    spend(counts, [charge('a', 1, 1000)], 0);
    assert.equal(spend(counts, [charge('a', 0, 1000)], 500), 'a 1000');
  });

  it('forgets what is taken back', () => {
    const counts = new BudgetCounts();
    const charges = [charge('a', 1, 1000), charge('b', 1, 1000)];
    counts.remove(counts.add(charges, 0));
    assert.deepEqual(counts.live(0), []);
    assert.equal(spend(counts, charges, 0), undefined);
    counts.remove([{ key: 'unknown', windowMs: 1, times: [0] }]);
    assert.equal(spend(counts, charges, 0), 'a 1000');
  });
});

describe('what is kept', () => {
  it('is what is in its window', () => {
    const counts = new BudgetCounts();
    counts.load({ key: 'a', windowMs: 1000, times: [100, 900] });
    counts.load({ key: 'b', windowMs: 100, times: [100] });
    assert.deepEqual(counts.live(1100), [{ key: 'a', windowMs: 1000, times: [900] }]);
    assert.deepEqual(counts.live(1900), []);
  });

  it('is kept in order, whatever the order it was loaded in', () => {
    const counts = new BudgetCounts();
    counts.load({ key: 'a', windowMs: 1000, times: [500, 700] });
    counts.load({ key: 'a', windowMs: 1000, times: [300, 600] });
    assert.deepEqual(counts.live(1000), [
      { key: 'a', windowMs: 1000, times: [300, 500, 600, 700] },
    ]);
  });

  it('has an end: then there is room again when something leaves its window', () => {
    for (const bounds of [
      { maxCounts: 2, maxKeys: 10 },
      { maxCounts: 10, maxKeys: 2 },
    ]) {
      const counts = new BudgetCounts(bounds);
      counts.add([charge('a', 9, 1000)], 0);
      counts.add([charge('b', 9, 500)], 0);
      assert.equal(counts.canHold([charge('c', 9, 1000)], 0), false);
      assert.equal(counts.canHold([charge('c', 9, 1000)], 499), false);
      assert.equal(counts.canHold([charge('c', 9, 1000)], 500), true);
      counts.add([charge('c', 9, 1000)], 500);
      assert.equal(counts.canHold([charge('d', 9, 1000)], 999), false);
      assert.equal(counts.canHold([charge('d', 9, 1000)], 1000), true);
    }
  });
});

describe('the share of a policy', () => {
  const keyOf = (policy: string, name: number): string =>
    `default/${policy}//new-order/1s/dns:n${name}`;
  const names = (policy: string, from: number, to: number): Charge[] =>
    Array.from({ length: to - from }, (_, at) => charge(keyOf(policy, from + at), 9, 1000));

  it('is what it can take: names without end under one leave room for the others', () => {
    const counts = new BudgetCounts();
    for (let name = 0; counts.canHold(names('web', name, name + 700), 0); name += 700) {
      assert.ok(name < 100_000);
      counts.add(names('web', name, name + 700), 0);
    }
    assert.equal(counts.canHold(names('admin', 0, 700), 0), true);
    const onOwnKey = [charge(keyOf('web', 0), 9, 1000)];
    assert.equal(counts.canHold(onOwnKey, 0), true, 'a name that is counted already');
  });

  it('is in keys and in counts, and comes back when something leaves or is taken back', () => {
    const all = { maxCounts: 100, maxKeys: 100 };
    for (const share of [
      { maxCounts: 2, maxKeys: 10 },
      { maxCounts: 10, maxKeys: 2 },
    ]) {
      const counts = new BudgetCounts(all, share);
      const added = counts.add(names('web', 0, 2), 0);
      assert.equal(counts.canHold(names('web', 2, 3), 0), false);
      assert.equal(counts.canHold(names('mail', 0, 3), 0), false, 'of one request');
      assert.equal(counts.canHold(names('mail', 0, 2), 0), true);
      assert.equal(counts.canHold(names('web', 2, 4), 1000), true);
      counts.add(names('web', 2, 4), 1000);
      assert.equal(counts.canHold(names('web', 4, 5), 1000), false);
      counts.remove([...added, { key: keyOf('web', 2), windowMs: 1000, times: [1000] }]);
      assert.equal(counts.canHold(names('web', 4, 5), 1000), true);
      assert.equal(counts.canHold(names('web', 4, 6), 1000), false);
    }
  });
});

it('agrees with counting by hand, for any spends', () => {
  const anyCharge = fc
    .record({ key: fc.constantFrom('a', 'b', 'c'), limit: fc.integer({ min: 1, max: 4 }) })
    .map(({ key, limit }) => charge(key, limit, WINDOW_OF[key] ?? 1));
  const anySpend = fc.record({
    pauseMs: fc.integer({ min: 0, max: 6 }),
    charges: fc.array(anyCharge, { minLength: 1, maxLength: 3 }),
    isTakenBack: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anySpend, { maxLength: 60 }), (spends) => {
      const counts = new BudgetCounts();
      const kept: { key: string; time: number; windowMs: number }[] = [];
      let now = 0;
      for (const { pauseMs, charges, isTakenBack } of spends) {
        now += pauseMs;
        const inWindow = (each: Charge): number =>
          kept.filter(({ key, time }) => key === each.key && time > now - each.windowMs).length;
        const exhausted = counts.exhausted(charges, now);
        assert.equal(
          exhausted !== undefined,
          charges.some((each) => inWindow(each) >= each.limit),
        );
        if (exhausted === undefined) {
          const added = counts.add(charges, now);
          if (isTakenBack) {
            counts.remove(added);
          } else {
            added.forEach(({ key, windowMs }) => kept.push({ key, time: now, windowMs }));
          }
        } else {
          // No sooner and no later. Looking ahead drops what has left by then, so a copy does it.
          const [copy, { charge: full, waitMs }] = [new BudgetCounts(), exhausted];
          counts.live(now).forEach((log) => {
            copy.load({ ...log, times: [...log.times] });
          });
          assert.notEqual(copy.exhausted([full], now + waitMs - 1), undefined);
          assert.equal(copy.exhausted([full], now + waitMs), undefined);
        }
      }
      const live = kept.filter(({ time, windowMs }) => time > now - windowMs);
      const total = counts.live(now).reduce((sum, { times }) => sum + times.length, 0);
      assert.equal(total, live.length);
    }),
    { numRuns: 300 },
  );
});
