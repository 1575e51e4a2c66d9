// What is recorded of an attempt, and what another attempt is allowed by it. The latches are in
// memory here, and another process is a change of them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AttemptRecorder } from '../../../../src/keys/pin/attempt-recorder.js';
import type { LockedLatch } from '../../../../src/keys/pin/latch-store.js';
import type { PinLatch, PinRole } from '../../../../src/keys/pin/latch.js';
import { isPinRefusal, type PinRefusal } from '../../../../src/keys/pin/pin-refusal.js';
import { AppError } from '../../../../src/lib/errors.js';
import { TokenError } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';

interface Fixture {
  readonly recorder: AttemptRecorder;
  readonly locked: LockedLatch;
  /** On disk, in the real store. */
  readonly disk: { latch: PinLatch | undefined; failure: Error | undefined };
  readonly source: { identity: string };
  readonly log: string[];
}

function makeFixture(role: PinRole = 'user'): Fixture {
  const disk: Fixture['disk'] = { latch: undefined, failure: undefined };
  const source = { identity: 'first' };
  const log: string[] = [];
  const act = (latch: PinLatch | undefined): void => {
    if (disk.failure !== undefined) {
      throw disk.failure;
    }
    disk.latch = latch;
  };
  const locked: LockedLatch = {
    read: () => disk.latch,
    write: (latch) =>
      Promise.resolve().then(() => {
        act(latch);
      }),
    remove: () => {
      act(undefined);
    },
  };
  const recorder = new AttemptRecorder({
    source: { name: 'file:/pin', identify: () => source.identity },
    latches: {
      stateDirectory: '/state',
      role,
      read: () => {
        act(disk.latch);
        return disk.latch;
      },
    },
    log: (level, message) => log.push(`${level}: ${message}`),
    clock: { now: () => 0 },
  });
  return { recorder, locked, disk, source, log };
}

function refusal(): PinRefusal {
  const error = new TokenError('TOKEN_PIN_INCORRECT', 'token: wrong', {
    returnValue: 'CKR_PIN_INCORRECT',
  });
  assert.ok(isPinRefusal(error));
  return error;
}

function throwRefusal({ refusal: reason }: AttemptRecorder): void {
  if (reason !== undefined) {
    throw reason;
  }
}

describe('an attempt', () => {
  it('is recorded with its source, and the record is removed after a success', async () => {
    const { recorder, locked, disk } = makeFixture();
    assert.equal(recorder.read(TOKEN_INFO, locked), undefined);
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    assert.equal(disk.latch, undefined);
    await recorder.begin(attempt);
    assert.deepEqual(disk.latch, attempt.latch);
    assert.deepEqual(attempt.latch, {
      version: 1,
      token: { label: 'acme', serial: 'a1b2', manufacturer: 'maker', model: 'model' },
      source: 'file:/pin',
      identity: 'first',
      state: 'attempting',
      attempts: 1,
      since: '1970-01-01T00:00:00.000Z',
    });
    recorder.remove(attempt);
    assert.equal(disk.latch, undefined);
    assert.equal(recorder.refusal, undefined);
  });

  it('of the security officer is recorded as such', () => {
    const { recorder, locked } = makeFixture('so');
    assert.equal(recorder.newAttempt(TOKEN_INFO, locked, 'x', undefined).latch.role, 'so');
  });

  it('that was refused forbids another until the source has changed', async () => {
    const { recorder, locked, disk, source, log } = makeFixture();
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    await recorder.begin(attempt);
    await recorder.refuse(attempt, refusal());
    assert.deepEqual(disk.latch, { ...attempt.latch, state: 'refused', reason: 'token: wrong' });
    assert.deepEqual(log, [
      'error: token: wrong; no further attempt: correct file:/pin, or run: clavigerd pin clear --token=a1b2 --state-directory=/state',
    ]);
    assert.equal(recorder.refusal?.code, 'KEY_PIN_HELD');
    assert.match(recorder.refusal.message, /^token "acme" \(serial a1b2\): no PIN is tried: /);
    const again = await appErrorOf(() => recorder.read(TOKEN_INFO, locked), 'KEY_PIN_HELD');
    assert.equal(again.message, recorder.refusal.message);
    source.identity = 'second';
    assert.equal(recorder.refusal, undefined);
    assert.equal(recorder.read(TOKEN_INFO, locked), disk.latch);
    const next = recorder.newAttempt(TOKEN_INFO, locked, 'second', disk.latch);
    assert.equal(next.latch.attempts, 2);
  });

  it('that was refused is forbidden by the record of its beginning when no other can be written', async () => {
    const { recorder, locked, disk } = makeFixture();
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    await recorder.begin(attempt);
    disk.failure = new AppError('SYS_FILE', 'disk full');
    await appErrorOf(() => recorder.refuse(attempt, refusal()), 'SYS_FILE');
    disk.failure = undefined;
    await appErrorOf(() => recorder.read(TOKEN_INFO, locked), 'KEY_PIN_HELD');
  });

  it('is explained with what to do in this state directory', () => {
    const { recorder, locked } = makeFixture();
    const cause = refusal();
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    const error = recorder.explain(cause, attempt);
    assert.equal(error.code, 'TOKEN_PIN_INCORRECT');
    assert.equal(error.message, 'token: wrong');
    assert.equal(error.returnValue, 'CKR_PIN_INCORRECT');
    assert.equal(error.cause, cause);
    assert.equal(
      error.hint,
      'one attempt was made and no other will be: correct file:/pin, or run: clavigerd pin clear --token=a1b2 --state-directory=/state',
    );
  });

  it('whose end is not known counts as refused, at once', async () => {
    const { recorder, locked, log } = makeFixture();
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    await recorder.begin(attempt);
    recorder.leaveUnclear(attempt);
    assert.match(recorder.refusal?.message ?? '', /how it ended is not known/);
    assert.equal(log.length, 1);
    assert.match(
      log[0] ?? '',
      /^error: token "acme" \(serial a1b2\): the login failed half-way, which counts as a refused PIN; correct file:/,
    );
  });

  it('whose record cannot be removed is reported', async () => {
    const { recorder, locked, disk, log } = makeFixture();
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    await recorder.begin(attempt);
    disk.failure = new AppError('SYS_FILE', 'gone\u001b[2J');
    recorder.remove(attempt);
    assert.deepEqual(log, [
      'error: gone\\u001b[2J; remove it, or the next start finds the PIN refused',
    ]);
  });
});

describe('a look without the lock', () => {
  it('forbids nothing before the latch has forbidden once', async () => {
    const { recorder, locked, disk } = makeFixture();
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    disk.latch = { ...attempt.latch, state: 'refused' };
    assert.equal(recorder.refusal, undefined);
    await appErrorOf(() => recorder.read(TOKEN_INFO, locked), 'KEY_PIN_HELD');
    await appErrorOf(() => {
      throwRefusal(recorder);
    }, 'KEY_PIN_HELD');
    disk.latch = undefined;
    assert.equal(recorder.refusal, undefined, 'it was cleared');
  });

  it('lets a login wait for an attempt that another process may be making', async () => {
    const { recorder, locked, disk } = makeFixture();
    const attempt = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    disk.latch = attempt.latch;
    await appErrorOf(() => recorder.read(TOKEN_INFO, locked), 'KEY_PIN_HELD');
    assert.match(recorder.refusal?.message ?? '', /how it ended is not known/, 'nobody makes it');
    disk.latch = { ...attempt.latch, attempts: 2 };
    assert.equal(recorder.refusal, undefined, 'it is another one');
  });

  it('is a refusal when the latch cannot be read', async () => {
    const { recorder, locked, disk } = makeFixture();
    disk.latch = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined).latch;
    await appErrorOf(() => recorder.read(TOKEN_INFO, locked), 'KEY_PIN_HELD');
    disk.failure = new AppError('SYS_FILE', 'not readable');
    assert.equal(recorder.refusal, disk.failure);
    disk.failure = new Error('odd');
    const odd = await appErrorOf(() => {
      throwRefusal(recorder);
    }, 'KEY_PIN');
    assert.equal(odd.message, 'PIN: odd');
  });
});

describe('the check before the PIN is sent', () => {
  it('is of the identity of that PIN, else of its source now', async () => {
    const { recorder, locked, source } = makeFixture();
    const { latch } = recorder.newAttempt(TOKEN_INFO, locked, 'first', undefined);
    recorder.assertAllowed(undefined);
    recorder.assertAllowed(latch, 'second');
    await appErrorOf(() => {
      recorder.assertAllowed(latch);
    }, 'KEY_PIN_HELD');
    source.identity = 'second';
    recorder.assertAllowed(latch);
    await appErrorOf(() => {
      recorder.assertAllowed(latch, 'first');
    }, 'KEY_PIN_HELD');
  });
});
