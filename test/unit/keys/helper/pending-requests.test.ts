// The requests a helper has, in their order, each with its deadline.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  NotBegunError,
  PendingRequests,
  type GoodResult,
} from '../../../../src/keys/helper/pending-requests.js';
import { AppError } from '../../../../src/lib/errors.js';
import { TokenError } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';
import { ManualTimers } from '../../../support/manual-timers.js';

const DONE: GoodResult = { kind: 'done' };

interface Bed {
  readonly pending: PendingRequests;
  readonly timers: ManualTimers;
  readonly events: string[];
  readonly add: (id: number, timeoutMs?: number) => Promise<GoodResult>;
}

function newBed(): Bed {
  const timers = new ManualTimers();
  const events: string[] = [];
  const pending = new PendingRequests({
    timers,
    onOverdue: (error) => {
      events.push(`${error.code} ${error.message}`);
    },
    onBusy: (isBusy) => {
      events.push(isBusy ? 'busy' : 'idle');
    },
  });
  const add = (id: number, timeoutMs = 1000): Promise<GoodResult> => {
    const result = new Promise<GoodResult>((resolve, reject) => {
      const onBegin = (): void => {
        events.push(`begin ${id}`);
      };
      pending.add({ id, timeoutMs, onBegin, resolve, reject });
    });
    result.catch(() => undefined);
    return result;
  };
  return { pending, timers, events, add };
}

describe('pending requests', () => {
  it('begin one after another, each when the one before is answered', async () => {
    const { pending, events, add } = newBed();
    const [first, second] = [add(1), add(2)];
    assert.deepEqual(events, ['busy', 'begin 1']);
    pending.settle(1, DONE);
    assert.deepEqual(events, ['busy', 'begin 1', 'begin 2']);
    assert.equal(await first, DONE);
    pending.settle(2, DONE);
    await second;
    assert.deepEqual(events.slice(3), ['idle']);
    void add(3);
    assert.deepEqual(events.slice(4), ['busy', 'begin 3']);
  });

  it('have their time from when the helper begins, and no longer', async () => {
    const { pending, timers, events, add } = newBed();
    void add(1, 1000);
    void add(2, 500);
    await timers.advance(999);
    pending.settle(1, DONE);
    await timers.advance(499);
    assert.deepEqual(events, ['busy', 'begin 1', 'begin 2']);
    await timers.advance(1);
    assert.deepEqual(events.slice(3), ['TOKEN_TIMEOUT token: no answer within 0.5 s']);
  });

  it('leave no timer behind once all are answered', () => {
    const { pending, timers, add } = newBed();
    void add(1);
    assert.equal(timers.running, 1);
    pending.settle(1, DONE);
    assert.equal(timers.running, 0);
  });

  it('refuse a reply to another request, and one to none', async () => {
    const { pending, add } = newBed();
    await appErrorOf(() => {
      pending.settle(1, DONE);
    }, 'TOKEN_HELPER');
    const first = add(1);
    void add(2);
    await appErrorOf(() => {
      pending.settle(2, DONE);
    }, 'TOKEN_HELPER');
    pending.settle(1, DONE);
    await first;
  });

  it('are rejected with the error that the helper replied', async () => {
    const { pending, add } = newBed();
    const first = add(1);
    const returnValue = 'CKR_DEVICE_ERROR';
    const error = { code: 'TOKEN_FAILED', message: 'm', hint: 'h', returnValue } as const;
    pending.settle(1, { kind: 'error', error });
    const failure = await appErrorOf(() => first, 'TOKEN_FAILED');
    assert.ok(failure instanceof TokenError);
    assert.deepEqual(
      [failure.message, failure.hint, failure.returnValue],
      ['m', 'h', 'CKR_DEVICE_ERROR'],
    );
  });

  it('fail together when the helper ends, those it has not begun with by another error', async () => {
    const { pending, timers, events, add } = newBed();
    const all = [add(1), add(2), add(3)];
    const [ended, notBegun] = [new AppError('TOKEN_HELPER', 'ended'), new NotBegunError('ended')];
    pending.fail(ended, notBegun);
    const reasons = (await Promise.allSettled(all)).map((result) =>
      result.status === 'rejected' ? (result.reason as unknown) : result.value,
    );
    assert.deepEqual(reasons, [ended, notBegun, notBegun]);
    assert.equal(timers.running, 0);
    pending.fail(ended, notBegun);
    void add(4);
    assert.equal(events.at(-1), 'begin 4');
  });
});
