import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { poll, type PollResult } from '../../../src/acme/poll.js';
import type { WaitContext } from '../../../src/acme/transport/retries.js';
import type { Timing } from '../../../src/acme/timing.js';
import { FakeTiming } from '../../support/client/scripted-acme.js';

/** The lines that were reported, by the timing of the poll. */
const reports = new Map<Timing, string[]>();

function until(timing: Timing, deadlineMs = Infinity): WaitContext {
  const lines: string[] = [];
  reports.set(timing, lines);
  return {
    timing,
    deadlineMs,
    report: (line) => {
      lines.push(line);
    },
  };
}

/** Done at the given try, asking for the given pauses before. */
function steps(...retryAfterMs: (number | undefined)[]): () => Promise<PollResult<number>> {
  let tries = 0;
  return () => {
    tries += 1;
    return Promise.resolve({
      value: tries,
      isDone: tries > retryAfterMs.length,
      retryAfterMs: retryAfterMs[tries - 1],
    });
  };
}

const common = { what: 'order' };

describe('poll', () => {
  it('does not wait for what is done at once', async () => {
    const timing = new FakeTiming();
    assert.equal(await poll({ ...common, context: until(timing), fetch: steps() }), 1);
    assert.deepEqual(timing.waits, []);
  });

  it('backs off from 20 ms to 5 s on its own', async () => {
    const timing = new FakeTiming();
    const fetch = steps(...Array.from({ length: 14 }, () => undefined));
    await poll({ ...common, context: until(timing), fetch });
    assert.deepEqual(timing.waits.slice(0, 3).map(Math.round), [20, 32, 51]);
    assert.equal(timing.waits.at(-1), 5_000);
  });

  it('looks twice early, then waits as long as the server asks, and never without a pause', async () => {
    const timing = new FakeTiming();
    await poll({ ...common, context: until(timing), fetch: steps(3_000, 3_000, 7_000, 0, 3_000) });
    assert.deepEqual(timing.waits.map(Math.round), [20, 330, 7_000, 82, 3_000]);
    const short = new FakeTiming();
    await poll({ ...common, context: until(short), fetch: steps(50, 0, 200) });
    assert.deepEqual(short.waits, [20, 32, 200]);
  });

  it('begins with a result at hand', async () => {
    const timing = new FakeTiming();
    const first = { value: 0, isDone: false, retryAfterMs: 900 };
    assert.equal(await poll({ ...common, context: until(timing), first, fetch: steps() }), 1);
    assert.deepEqual(timing.waits, [20]);
  });

  it('looks more often towards the deadline, and not within the last 20 ms', async () => {
    const timing = new FakeTiming();
    const deadlineMs = timing.now() + 30;
    const fetch = steps(...Array.from({ length: 9 }, () => undefined));
    await assert.rejects(poll({ ...common, context: until(timing, deadlineMs), fetch }), {
      message: 'order: not done in the time allowed',
    });
    assert.deepEqual(timing.waits, [20]);
    const exact = new FakeTiming();
    await assert.rejects(
      poll({ ...common, context: until(exact, exact.now() + 20), fetch: steps(undefined, 0, 0) }),
    );
    assert.deepEqual(exact.waits, [20]);
    const early = new FakeTiming();
    await assert.rejects(
      poll({
        ...common,
        context: until(early, early.now() + 400),
        fetch: steps(...Array.from({ length: 30 }, () => 900)),
      }),
      { message: 'order: not done in the time allowed; the server asks to come back in 1 s' },
    );
    assert.deepEqual(early.waits.slice(0, 2), [20, 190]);
  });

  it('has a hint for a deadline that has passed', async () => {
    const timing = new FakeTiming();
    await assert.rejects(
      poll({ ...common, context: until(timing, timing.now()), fetch: steps(undefined) }),
      { code: 'ACME_TIMEOUT', hint: /--timeout$/ },
    );
    assert.deepEqual(timing.waits, []);
  });

  it('ends at the deadline', async () => {
    const timing = new FakeTiming();
    const deadlineMs = timing.now() + 200;
    const fetch = steps(...Array.from({ length: 100 }, () => undefined));
    await assert.rejects(poll({ ...common, context: until(timing, deadlineMs), fetch }), {
      code: 'ACME_TIMEOUT',
    });
    assert.deepEqual(timing.waits[0], 20);
    assert.ok(timing.now() <= deadlineMs);
    assert.ok(deadlineMs - timing.now() < 20);
  });

  it('goes on looking until the deadline when the server asks to come back after it', async () => {
    const timing = new FakeTiming();
    const deadlineMs = timing.now() + 60_000;
    const day = 86_400_000;
    const fetch = steps(...Array.from({ length: 1000 }, () => day));
    await assert.rejects(poll({ ...common, context: until(timing, deadlineMs), fetch }), {
      code: 'ACME_TIMEOUT',
      message: /come back in 86400 s/,
    });
    assert.ok(timing.waits.length < 50, String(timing.waits.length));
    assert.ok(timing.waits.every((ms) => ms <= 5_000));
    const seen = new FakeTiming();
    assert.equal(
      await poll({
        ...common,
        context: until(seen, seen.now() + 60_000),
        fetch: steps(day, day, day),
      }),
      4,
    );
  });

  it('reports once what it waits for, when that takes long', async () => {
    const quick = new FakeTiming();
    await poll({ ...common, context: until(quick), fetch: steps(2_000, 2_000) });
    assert.deepEqual(reports.get(quick), []);
    const asked = new FakeTiming();
    await poll({ ...common, context: until(asked), fetch: steps(30_000, 30_000, 30_000) });
    assert.deepEqual(reports.get(asked), ['order: waiting for the server, which asks for 30 s']);
    const slow = new FakeTiming();
    const fetch = steps(...Array.from({ length: 14 }, () => undefined));
    await poll({ ...common, context: until(slow), fetch });
    assert.deepEqual(reports.get(slow), ['order: waiting for the server']);
  });
});
