import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HttpTrouble, type TroubleFacts } from '../../../../src/acme/transport/http-trouble.js';
import { ServerProblem } from '../../../../src/acme/problem.js';
import {
  isUndecided,
  readPatiently,
  Retries,
  type RequestNature,
} from '../../../../src/acme/transport/retries.js';
import { parseProblem } from '../../../../src/acme/problem.js';
import { FakeTiming, httpResponse, problem } from '../../../support/client/scripted-acme.js';

const MANY = 40;

function trouble(facts: Partial<TroubleFacts> = {}): HttpTrouble {
  const message = 'ca.example: gone\nsecond line';
  return new HttpTrouble('ACME_CONNECTION', message, { isSent: false, isPassing: true, ...facts });
}

function answered(status: number, retryAfterMs?: number, type = 'serverInternal'): ServerProblem {
  const document = parseProblem(httpResponse(problem(type, status)));
  return new ServerProblem('new order', { problem: document, status, retryAfterMs });
}

interface Course {
  /** Pauses before it was given up, at most `MANY`. */
  readonly waits: readonly number[];
  readonly reports: readonly string[];
  readonly isGivenUp: boolean;
}

/** What becomes of a request that fails in the same way again and again. */
async function courseOf(
  failure: Error,
  nature: Partial<RequestNature> = {},
  patienceMs = Infinity,
): Promise<Course> {
  const timing = new FakeTiming();
  const reports: string[] = [];
  const report = (line: string): void => {
    reports.push(line);
  };
  const context = { timing, deadlineMs: timing.now() + patienceMs, report };
  const retries = new Retries(context, { isRepeatable: true, ...nature });
  for (let count = 0; count < MANY; count += 1) {
    try {
      await retries.pauseAfter(failure);
    } catch (error) {
      assert.equal(error, failure);
      return { waits: timing.waits, reports, isGivenUp: true };
    }
  }
  return { waits: timing.waits, reports, isGivenUp: false };
}

describe('a request that fails', () => {
  it('is sent again after pauses that grow from 100 ms to 30 s', async () => {
    const { waits, isGivenUp } = await courseOf(trouble());
    assert.equal(isGivenUp, false);
    assert.deepEqual(waits.slice(0, 8), [100, 250, 625, 1563, 3906, 9766, 24_414, 30_000]);
    assert.equal(waits.at(-1), 30_000);
  });

  it('is given up rather than sent again after the deadline', async () => {
    const { waits, isGivenUp } = await courseOf(trouble(), {}, 1_000);
    assert.deepEqual([waits, isGivenUp], [[100, 250, 625], true]);
    const exact = await courseOf(trouble(), {}, 975);
    assert.deepEqual(exact.waits, [100, 250, 625]);
    assert.deepEqual((await courseOf(trouble(), {}, 974)).waits, [100, 250]);
  });

  it('is given up at once when the trouble does not pass', async () => {
    assert.deepEqual((await courseOf(trouble({ isPassing: false }))).waits, []);
    assert.deepEqual((await courseOf(new Error('odd'))).waits, []);
  });

  it('that may have reached the server is repeated only where that does no harm', async () => {
    const change = { isRepeatable: false };
    assert.equal((await courseOf(trouble({ isSent: true }))).isGivenUp, false);
    assert.deepEqual((await courseOf(trouble({ isSent: true }), change)).waits, []);
    assert.equal((await courseOf(trouble({ isSent: false }), change)).isGivenUp, false);
  });

  it('is given up after 15 s when the server has never answered in this run', async () => {
    const { waits, isGivenUp } = await courseOf(trouble(), { isFirstContact: true });
    assert.equal(isGivenUp, true);
    assert.deepEqual(waits, [100, 250, 625, 1563, 3906]);
    const busy = await courseOf(answered(503), { isFirstContact: true });
    assert.equal(busy.isGivenUp, false);
  });
});

describe('a request that is answered with an error', () => {
  for (const status of [408, 425, 500, 502, 504, 520, 530]) {
    it(`${status}, is repeated if it may be`, async () => {
      assert.equal((await courseOf(answered(status))).isGivenUp, false);
      assert.deepEqual((await courseOf(answered(status), { isRepeatable: false })).waits, []);
    });
  }

  for (const status of [429, 503]) {
    it(`${status}, is repeated, a change a few times`, async () => {
      assert.equal((await courseOf(answered(status))).isGivenUp, false);
      const change = await courseOf(answered(status), { isRepeatable: false });
      assert.deepEqual([change.waits.length, change.isGivenUp], [5, true]);
    });
  }

  for (const status of [400, 403, 404, 501, 519]) {
    it(`${status}, is not repeated`, async () => {
      assert.deepEqual((await courseOf(answered(status))).waits, []);
    });
  }

  it('404, is repeated for 30 s when one of several servers may not know the URL yet', async () => {
    const { waits, isGivenUp } = await courseOf(answered(404), { mayLag: true });
    assert.equal(isGivenUp, true);
    const total = waits.reduce((sum, wait) => sum + wait, 0);
    assert.ok(total > 15_000 && total <= 30_000, String(total));
    const change = { mayLag: true, isRepeatable: false };
    assert.deepEqual((await courseOf(answered(404), change)).waits, waits);
  });

  it('waits as long as the server asks, and no shorter than otherwise', async () => {
    const { waits, reports } = await courseOf(answered(503, 7_000));
    assert.deepEqual(waits.slice(0, 2), [7_000, 7_000]);
    assert.equal(reports[0], 'the server is busy and asks to wait 7 s');
    assert.deepEqual((await courseOf(answered(503, 0))).waits.slice(0, 2), [100, 250]);
    assert.deepEqual((await courseOf(answered(503, 7_000), {}, 6_999)).waits, []);
    assert.deepEqual((await courseOf(answered(503, 7_000), {}, 7_000)).waits, [7_000]);
  });

  it('badNonce, is sent again at once, seven times', async () => {
    const timing = new FakeTiming();
    const failure = answered(400, undefined, 'badNonce');
    const context = { timing, deadlineMs: Infinity, report: () => undefined };
    const retries = new Retries(context, { isRepeatable: false });
    for (let count = 1; count <= 7; count += 1) {
      await retries.pauseAfter(failure);
    }
    await assert.rejects(retries.pauseAfter(failure), failure);
    assert.deepEqual(timing.waits, []);
  });
});

describe('a pause', () => {
  it('is reported from a second on, with the first line of the failure', async () => {
    const { reports } = await courseOf(trouble(), {}, 3_000);
    assert.deepEqual(reports, ['ca.example: gone; trying again in 2 s']);
    assert.deepEqual((await courseOf(trouble(), {}, 1_000)).reports, []);
  });

  it('that the server asks for is reported however short', async () => {
    const { reports } = await courseOf(answered(429, 200), {}, 200);
    assert.deepEqual(reports, ['the server is busy and asks to wait 1 s']);
  });
});

describe('isUndecided', () => {
  it('is true where the server may have acted, and only there', () => {
    assert.equal(isUndecided(trouble({ isSent: true })), true);
    assert.equal(isUndecided(trouble({ isSent: false })), false);
    assert.equal(isUndecided(trouble({ isSent: true, isPassing: false })), false);
    assert.equal(isUndecided(answered(500)), true);
    assert.equal(isUndecided(answered(520)), true);
    assert.equal(isUndecided(answered(503)), false);
    assert.equal(isUndecided(answered(400)), false);
    assert.equal(isUndecided(new Error('odd')), false);
  });
});

describe('readPatiently', () => {
  it('reads until there is an answer', async () => {
    const timing = new FakeTiming();
    const context = { timing, deadlineMs: Infinity, report: () => undefined };
    let count = 0;
    const send = (): Promise<string> => {
      count += 1;
      return count < 3 ? Promise.reject(trouble({ isSent: true })) : Promise.resolve('answer');
    };
    assert.equal(await readPatiently(context, send), 'answer');
    assert.deepEqual(timing.waits, [100, 250]);
  });

  it('passes on what kind of request it is', async () => {
    const timing = new FakeTiming();
    const context = { timing, deadlineMs: Infinity, report: () => undefined };
    const failure = trouble();
    const send = (): Promise<string> => Promise.reject(failure);
    await assert.rejects(readPatiently(context, send, { isFirstContact: true }), failure);
    assert.equal(timing.waits.length, 5);
  });
});
