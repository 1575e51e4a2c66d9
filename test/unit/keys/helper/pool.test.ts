// One token with several helpers and one queue: who is served when, and by which helper. The token
// is a double, the clock stands still until a test moves it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { UnsentError, type KeySignature } from '../../../../src/keys/account-key.js';
import { TokenPool } from '../../../../src/keys/helper/pool.js';
import { AppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';
import { clientOf } from '../../../support/daemon/clients.js';
import { FakeGuard, FakeToken, MODULE } from '../../../support/keys/fake-token.js';
import { ManualTimers } from '../../../support/manual-timers.js';

interface Bed {
  readonly pool: TokenPool;
  readonly token: FakeToken;
  readonly guard: FakeGuard;
  readonly timers: ManualTimers;
  readonly sign: (client: string, input?: string) => Promise<KeySignature>;
}

function newBed(helpers = 1): Bed {
  const [token, guard, timers] = [new FakeToken(), new FakeGuard(), new ManualTimers()];
  const pool = new TokenPool({
    module: MODULE,
    token: {},
    key: {},
    guard,
    helpers,
    timers,
    touchNoticeMs: 3000,
    memory: { limitBytes: 1000, readBytes: () => 0 },
    startHelper: token.startHelper,
    log: () => undefined,
  });
  const sign = (client: string, input = client): Promise<KeySignature> => {
    const signature = pool.sign(Buffer.from(input), { client: clientOf(client) });
    signature.catch(() => undefined);
    return signature;
  };
  return { pool, token, guard, timers, sign };
}

/** What the helpers have in hand, each by its number. */
function inHand({ token }: Bed): string[][] {
  return token.helpers.map((helper) => helper.inHand);
}

describe('TokenPool', () => {
  it('starts one helper, though several ask, and returns what it found', async () => {
    const { pool, token, sign } = newBed(3);
    assert.deepEqual([pool.pids, pool.isAvailable], [[], true]);
    const identity = await pool.start();
    assert.equal(identity.token, token.token);
    assert.deepEqual(pool.pids, [1001]);
    assert.equal((await sign('1')).bytes.toString(), '1');
    assert.equal(token.helpers.length, 1);
  });

  it('cannot start without any helper', async () => {
    const { pool } = newBed(0);
    const error = await appErrorOf(() => pool.start(), 'TOKEN_HELPER');
    assert.equal(error.message, 'token helper: none is configured');
  });

  it('hands a slow token one job at a time, its clients in turn', async () => {
    const bed = newBed();
    await bed.pool.start();
    bed.token.isSlow = true;
    for (const client of ['a', 'a', 'a', 'b']) {
      void bed.sign(client);
    }
    const served: string[] = [];
    for (let count = 0; count < 4; count += 1) {
      await bed.timers.advance(100);
      const [[first = '', ...others] = []] = inHand(bed);
      assert.deepEqual(others, []);
      served.push(first);
      bed.token.helper.finish();
      await turn();
    }
    assert.deepEqual(served, ['a', 'a', 'b', 'a']);
  });

  it('starts another helper while all are busy, one at a time, and hands jobs to the least busy', async () => {
    const bed = newBed(3);
    await bed.pool.start();
    bed.token.isSlow = true;
    void bed.sign('1');
    await turn();
    assert.equal(bed.token.helpers.length, 1, 'the first takes it');
    void bed.sign('2');
    void bed.sign('3');
    await turn();
    assert.deepEqual(inHand(bed), [['1'], ['2'], ['3']]);
    void bed.sign('4');
    await turn();
    assert.equal(bed.token.helpers.length, 3, 'no more than configured');
    bed.token.helpers[1]?.finish();
    await turn();
    assert.deepEqual(inHand(bed), [['1'], ['4'], ['3']]);
    // Fast helpers take two; the one with fewer jobs is served first.
    void bed.sign('5');
    await turn();
    assert.deepEqual(inHand(bed), [['1'], ['4', '5'], ['3']]);
    bed.token.helpers[0]?.finish();
    await turn();
    void bed.sign('6');
    await turn();
    assert.deepEqual(inHand(bed), [['6'], ['4', '5'], ['3']]);
  });

  it('answers at once while no helper is in service, and signs again after that', async () => {
    const bed = newBed();
    bed.token.failAlways('openToken', new AppError('TOKEN_NOT_FOUND', 'none', { hint: 'plug it' }));
    const [first, second] = [bed.sign('1'), bed.sign('2')];
    await appErrorOf(() => first, 'TOKEN_NOT_FOUND');
    const error = await appErrorOf(() => second, 'TOKEN_NOT_FOUND');
    assert.ok(error instanceof UnsentError, 'another token may be asked');
    assert.deepEqual([error.message, error.hint], ['none', 'plug it']);
    assert.ok(!bed.pool.isAvailable);
    const { length } = bed.token.helpers;
    const third = await appErrorOf(() => bed.sign('3'), 'TOKEN_NOT_FOUND');
    assert.ok(third instanceof UnsentError);
    assert.equal(bed.token.helpers.length, length, 'no helper was started for it');
    bed.token.failAlways('openToken', undefined);
    await bed.timers.advance(500);
    assert.ok(bed.pool.isAvailable);
    assert.equal((await bed.sign('4')).bytes.toString(), '4');
  });

  it('drops what a client that is gone still waits for, and nothing of others', async () => {
    const bed = newBed();
    await bed.pool.start();
    bed.token.isSlow = true;
    const [begun, waiting, other] = [bed.sign('gone', '1'), bed.sign('gone', '2'), bed.sign('b')];
    bed.pool.cancel(clientOf('gone'));
    await appErrorOf(() => waiting, 'KEY_CANCELLED');
    assert.deepEqual(inHand(bed), [['1']]);
    bed.token.helper.finish();
    await begun;
    await turn();
    assert.deepEqual(inHand(bed), [['b']]);
    bed.token.helper.finish();
    await other;
  });

  it('gives up a touch that nobody waits for any more', async () => {
    const bed = newBed();
    await bed.pool.start();
    bed.token.isSlow = true;
    const signature = bed.sign('gone');
    await bed.timers.advance(3000);
    bed.pool.cancel(clientOf('gone'));
    await appErrorOf(() => signature, 'TOKEN_HELPER');
    assert.ok(bed.token.helper.isEnded);
  });

  it('replaces the helper that made a rejected signature, and no other', async () => {
    const bed = newBed(2);
    await bed.pool.start();
    bed.token.isSlow = true;
    const [one, two] = [bed.sign('1'), bed.sign('2')];
    await turn();
    const [first, second] = bed.token.helpers;
    first?.finish();
    second?.finish();
    await one;
    (await two).reject();
    assert.deepEqual([first?.isEnded, second?.isEnded], [false, true]);
  });

  it('is closed in order: what waits is refused, helpers end, the PIN is wiped', async () => {
    const bed = newBed();
    await bed.pool.start();
    bed.token.isSlow = true;
    const [begun, waiting] = [bed.sign('1'), bed.sign('2')];
    const closing = bed.pool.close();
    const error = await appErrorOf(() => waiting, 'TOKEN_HELPER');
    assert.equal(error.message, 'token helper: closed');
    assert.ok(error instanceof UnsentError);
    bed.token.helper.finish();
    assert.equal((await begun).bytes.toString(), '1');
    await closing;
    assert.ok(bed.guard.isClosed);
    assert.deepEqual(bed.token.calls.slice(-1), ['1 close within 4000']);
    await appErrorOf(() => bed.sign('3'), 'TOKEN_HELPER');
    assert.ok(!bed.pool.isAvailable);
  });
});
