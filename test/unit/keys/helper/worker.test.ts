// One helper of a pool: its room, its waits for a touch, its breaker and its memory. The token is a
// double, the clock stands still until a test moves it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TokenLogin } from '../../../../src/keys/helper/login.js';
import { HelperWorker } from '../../../../src/keys/helper/worker.js';
import { AppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';
import { clientOf } from '../../../support/daemon/clients.js';
import {
  endedHelper,
  FakeGuard,
  FakeToken,
  failedCall,
  MODULE,
  newJob,
  type FakeJob,
} from '../../../support/keys/fake-token.js';
import { ManualTimers } from '../../../support/manual-timers.js';

const LIMIT_BYTES = 1000;
const TOUCH_NOTICE_MS = 3000;
const NOTICE = 'notice token: a signature takes more than 3 s; does the token wait for a touch?';

interface Bed {
  readonly worker: HelperWorker;
  readonly token: FakeToken;
  readonly timers: ManualTimers;
  readonly log: string[];
  readonly changes: () => number;
  /** Bytes of the helper's memory. */
  memory: number;
  readonly run: (connection?: string) => FakeJob;
  /** A signature from beginning to end. */
  readonly sign: () => Promise<void>;
}

function newBed(): Bed {
  const [token, timers, log] = [new FakeToken(), new ManualTimers(), [] as string[]];
  let changes = 0;
  const worker = new HelperWorker({
    module: MODULE,
    token: {},
    key: {},
    login: new TokenLogin(new FakeGuard()),
    startHelper: token.startHelper,
    log: (level, message) => {
      log.push(`${level} ${message}`);
    },
    timers,
    touchNoticeMs: TOUCH_NOTICE_MS,
    memory: { limitBytes: LIMIT_BYTES, readBytes: () => bed.memory },
    onChange: () => {
      changes += 1;
    },
  });
  const run = (connection = '1'): FakeJob => {
    const job = newJob(clientOf(connection));
    void worker.run(job);
    return job;
  };
  const bed: Bed = {
    worker,
    token,
    timers,
    log,
    run,
    memory: 0,
    changes: () => changes,
    sign: async () => {
      await run().outcome;
      await turn();
    },
  };
  return bed;
}

/** A job that waits in the helper. */
async function runSlowly(bed: Bed, connection?: string): Promise<FakeJob> {
  bed.token.isSlow = true;
  const job = bed.run(connection);
  await turn();
  return job;
}

function outages(log: readonly string[]): string[] {
  return log.filter((line) => line.includes('out of service'));
}

describe('HelperWorker', () => {
  it('signs, says when the helper began, and reports that it has room again', async () => {
    const bed = newBed();
    await bed.worker.start();
    await bed.timers.advance(5000);
    const job = await runSlowly(bed);
    assert.equal(bed.worker.load, 1);
    const began = bed.timers.now();
    await bed.timers.advance(70);
    const before = bed.changes();
    bed.token.helper.finish();
    const { bytes, beganAt } = await job.outcome;
    assert.deepEqual([bytes.toString(), beganAt], ['input', began]);
    await turn();
    assert.deepEqual([bed.worker.load, bed.changes()], [0, before + 1]);
    assert.equal(bed.timers.running, 0, 'no notice is due any more');
  });

  it('takes a second job only after a signature in less than 20 ms', async () => {
    const bed = newBed();
    for (const [ms, hasRoom] of [
      [20, false],
      [19, true],
    ] as const) {
      await runSlowly(bed);
      await bed.timers.advance(ms);
      bed.token.helper.finish();
      await turn();
      assert.ok(bed.worker.hasRoom);
      await runSlowly(bed);
      assert.equal(bed.worker.hasRoom, hasRoom, `after ${ms} ms`);
      bed.token.helper.finish();
      await turn();
    }
    await runSlowly(bed);
    await runSlowly(bed);
    assert.ok(!bed.worker.hasRoom, 'never three');
    assert.equal(bed.worker.load, 2);
  });

  it('is active while it starts, signs or is ready, and not before', async () => {
    const bed = newBed();
    const state = (): boolean[] => [bed.worker.isActive, bed.worker.isReady];
    assert.deepEqual(state(), [false, false]);
    const warm = bed.worker.warmUp();
    assert.deepEqual(state(), [true, false]);
    await warm;
    assert.deepEqual(state(), [true, true]);
    assert.equal(bed.worker.pid, 1001);
    assert.equal(bed.changes(), 1);
  });
});

describe('a worker whose token waits for a touch', () => {
  it('notifies the client once, whatever is tried again', async () => {
    const bed = newBed();
    const job = await runSlowly(bed);
    await bed.timers.advance(TOUCH_NOTICE_MS - 1);
    assert.equal(job.notices(), 0);
    await bed.timers.advance(1);
    assert.equal(job.notices(), 1);
    assert.equal(bed.log.at(-1), NOTICE);
    bed.token.helper.die();
    await turn();
    await bed.timers.advance(TOUCH_NOTICE_MS * 2);
    bed.token.helper.finish();
    await job.outcome;
    assert.equal(job.notices(), 1);
  });

  it('counts the time of each attempt anew until then', async () => {
    const bed = newBed();
    const job = await runSlowly(bed);
    await bed.timers.advance(TOUCH_NOTICE_MS - 1);
    bed.token.helper.die();
    await turn();
    await bed.timers.advance(TOUCH_NOTICE_MS - 1);
    assert.equal(job.notices(), 0);
    await bed.timers.advance(1);
    assert.equal(job.notices(), 1);
    bed.token.helper.finish();
    await job.outcome;
  });

  it('kills the helper once its client disconnects, without a strike for the token', async () => {
    const bed = newBed();
    for (let count = 0; count < 4; count += 1) {
      const job = await runSlowly(bed, 'gone');
      await bed.timers.advance(TOUCH_NOTICE_MS);
      bed.worker.cancel(clientOf('another'));
      assert.ok(!bed.token.helper.isEnded);
      bed.worker.cancel(clientOf('gone'));
      assert.ok(bed.token.helper.isEnded);
      await appErrorOf(() => job.outcome, 'TOKEN_HELPER');
      await turn();
    }
    assert.equal(bed.log.at(-1), 'notice token helper: killed, the client it waits for is gone');
    assert.equal(bed.worker.outage, undefined);
  });

  it('kills it at the notice, where the client disconnected before', async () => {
    const bed = newBed();
    const job = await runSlowly(bed, 'gone');
    bed.worker.cancel(clientOf('gone'));
    assert.ok(!bed.token.helper.isEnded, 'a token that only takes a moment is not disturbed');
    await bed.timers.advance(TOUCH_NOTICE_MS);
    assert.ok(bed.token.helper.isEnded);
    await appErrorOf(() => job.outcome, 'TOKEN_HELPER');
  });
});

describe('a worker whose helper fails', () => {
  it('goes out of service after three losses in a row, and comes back by a probe', async () => {
    const bed = newBed();
    bed.token.failAlways('sign', endedHelper());
    await appErrorOf(() => bed.run().outcome, 'TOKEN_HELPER');
    await turn();
    assert.equal(bed.worker.outage?.code, 'TOKEN_HELPER');
    assert.ok(!bed.worker.hasRoom && !bed.worker.isActive);
    assert.deepEqual(outages(bed.log), [
      'error token: out of service: token helper: ended (SIGSEGV); tried again in 0.5 s',
    ]);
    bed.token.failAlways('sign', undefined);
    const { length } = bed.token.helpers;
    await bed.timers.advance(499);
    assert.equal(bed.token.helpers.length, length);
    await bed.timers.advance(1);
    assert.equal(bed.token.helpers.length, length + 1);
    assert.equal(bed.worker.outage, undefined);
    assert.equal(bed.log.at(-1), 'notice token: in service again');
  });

  it('waits twice as long after each probe that fails, and logs the same reason once', async () => {
    const bed = newBed();
    bed.token.failAlways('openToken', new AppError('TOKEN_NOT_FOUND', 'none'));
    await bed.worker.warmUp();
    assert.equal(bed.worker.outage?.message, 'none');
    for (const ms of [500, 1000, 2000]) {
      const { length } = bed.token.helpers;
      await bed.timers.advance(ms - 1);
      assert.equal(bed.token.helpers.length, length);
      await bed.timers.advance(1);
      assert.equal(bed.token.helpers.length, length + 1);
    }
    const levels = outages(bed.log).map((line) => line.split(' ')[0]);
    assert.deepEqual(levels, ['error', 'debug', 'debug', 'debug']);
    bed.token.failAlways('openToken', new AppError('TOKEN_AMBIGUOUS', 'two'));
    await bed.timers.advance(4000);
    assert.match(outages(bed.log).at(-1) ?? '', /^error .*two; tried again in 8 s$/);
  });

  it('goes out of service when its start fails for a job', async () => {
    const bed = newBed();
    bed.token.failOnce('login', failedCall('CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'));
    await appErrorOf(() => bed.run().outcome, 'TOKEN_PIN_INCORRECT');
    await turn();
    assert.equal(bed.worker.outage?.code, 'TOKEN_PIN_INCORRECT');
  });

  it('stays in service after a failure that is of the request alone, or of the operator', async () => {
    const bed = newBed();
    await bed.sign();
    for (const returnValue of ['CKR_FUNCTION_CANCELED', 'CKR_KEY_FUNCTION_NOT_PERMITTED']) {
      for (let count = 0; count < 4; count += 1) {
        bed.token.failOnce('sign', failedCall(returnValue));
        await appErrorOf(() => bed.run().outcome, 'TOKEN_FAILED');
        await turn();
      }
    }
    assert.equal(bed.worker.outage, undefined);
  });

  it('stays in service after one hang, and not after three', async () => {
    const bed = newBed();
    for (const isInService of [true, true, false]) {
      bed.token.failOnce('sign', new AppError('TOKEN_TIMEOUT', 'no answer'));
      await appErrorOf(() => bed.run().outcome, 'TOKEN_TIMEOUT');
      await turn();
      assert.equal(bed.worker.outage === undefined, isInService);
    }
    assert.equal(bed.worker.outage?.message, 'no answer');
  });

  it('counts hangs anew after a signature', async () => {
    const bed = newBed();
    for (let count = 0; count < 5; count += 1) {
      bed.token.failOnce('sign', new AppError('TOKEN_TIMEOUT', 'no answer'));
      await appErrorOf(() => bed.run().outcome, 'TOKEN_TIMEOUT');
      await bed.sign();
    }
    assert.equal(bed.worker.outage, undefined);
  });

  it('goes out of service when nothing has helped, at once', async () => {
    const bed = newBed();
    await bed.sign();
    bed.token.failAlways('sign', failedCall('CKR_DEVICE_ERROR'));
    await appErrorOf(() => bed.run().outcome, 'TOKEN_FAILED');
    await turn();
    assert.match(bed.worker.outage?.message ?? '', /CKR_DEVICE_ERROR/);
  });

  it('goes out of service when its helper dies too often, though each signature succeeds', async () => {
    const bed = newBed();
    await bed.sign();
    for (let count = 0; bed.worker.outage === undefined; count += 1) {
      assert.ok(count < 10);
      bed.token.failOnce('sign', endedHelper());
      await bed.sign();
    }
    assert.equal(bed.worker.outage.message, 'token helper: ends too often');
  });

  it('replaces a helper whose signature was rejected, three times at most', async () => {
    const bed = newBed();
    for (const isInService of [true, true]) {
      (await bed.run().outcome).reject();
      await turn();
      assert.ok(bed.token.helper.isEnded);
      assert.equal(bed.worker.outage === undefined, isInService);
    }
    const signature = await bed.run().outcome;
    // Signatures between rejections do not count as successes that are proven.
    signature.reject();
    signature.reject();
    signature.reject();
    assert.equal(bed.worker.outage?.message, 'token: its signatures do not verify');
  });

  it('is not probed any more once it is closed', async () => {
    const bed = newBed();
    bed.token.failAlways('openToken', new AppError('TOKEN_NOT_FOUND', 'none'));
    await bed.worker.warmUp();
    assert.equal(bed.timers.running, 1);
    await bed.worker.close();
    assert.equal(bed.timers.running, 0);
    await bed.worker.warmUp();
    assert.equal(bed.token.helpers.length, 1);
  });
});

describe('a worker whose helper grows', () => {
  it('takes no more jobs beyond the limit, and replaces it once it has none', async () => {
    const bed = newBed();
    await bed.sign();
    await runSlowly(bed);
    await runSlowly(bed);
    bed.memory = LIMIT_BYTES + 1;
    await bed.timers.advance(1001);
    bed.token.helper.finish();
    await turn();
    assert.ok(!bed.worker.hasRoom);
    assert.ok(!bed.token.helper.isEnded, 'it has a job');
    bed.token.helper.finish();
    await turn();
    assert.ok(bed.token.helper.isEnded);
    assert.ok(bed.worker.hasRoom);
    assert.equal(bed.log.at(-1), 'notice token helper: replaced, its memory has grown too large');
    assert.deepEqual(bed.token.calls.slice(-1), ['1 close']);
  });
});
