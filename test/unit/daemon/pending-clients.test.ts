import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionLog } from '../../../src/daemon/connection-log.js';
import { ConnectionPool } from '../../../src/daemon/connection-pool.js';
import { LazyKey } from '../../../src/daemon/lazy-key.js';
import { PendingClients } from '../../../src/daemon/pending-clients.js';
import { RequestPlaces } from '../../../src/daemon/request-places.js';
import { TurnScheduler } from '../../../src/daemon/turn-scheduler.js';
import type { AccountKey } from '../../../src/keys/account-key.js';
import { AppError } from '../../../src/lib/errors.js';
import { newLogLines } from '../../support/daemon/log-lines.js';
import { SigningDouble } from '../../support/daemon/signing-double.js';
import { settle, StreamDouble } from '../../support/daemon/stream-double.js';
import { accountKeyOf, makeKey } from '../../support/keys/keys.js';
import { ManualTimers } from '../../support/manual-timers.js';

const KEY = accountKeyOf(makeKey('ES256'));
const CLOCKS = { lineTimeoutMs: 1e6, idleTimeoutMs: 1e6, placeTimeoutMs: 1e6, lingerMs: 2000 };

function makeBed(maxWaiting = 10) {
  const timers = new ManualTimers();
  const { log, lines } = newLogLines();
  const connectionLog = new ConnectionLog({ log, listener: undefined, timers });
  const attempts: { resolve: (key: AccountKey) => void; reject: (error: Error) => void }[] = [];
  let pools = 0;
  const pending = new PendingClients({
    keys: new LazyKey(
      () =>
        new Promise((resolve, reject) => {
          attempts.push({ resolve, reject });
        }),
      timers,
    ),
    connectionLog,
    maxWaiting,
    openPool: () => {
      pools += 1;
      return new ConnectionPool({
        settings: {
          greeting: 'HELLO\r\n',
          service: new SigningDouble(),
          places: new RequestPlaces({ requests: 10, bytes: 1e6 }),
          scheduler: new TurnScheduler({ now: () => timers.now(), defer: setImmediate }),
          connectionLog,
          clocks: CLOCKS,
          timers,
        },
        maxConnections: 10,
        account: 'default',
        listener: 'web',
        isOneOfMany: false,
      });
    },
  });
  const add = (): StreamDouble => {
    const stream = new StreamDouble();
    pending.add(stream);
    return stream;
  };
  return { pending, attempts, add, log: lines, timers, poolCount: () => pools };
}

describe('PendingClients', () => {
  it('greets clients at once when the key is known', () => {
    const { pending, add, attempts, poolCount } = makeBed();
    const pool = pending.open(KEY);
    assert.equal(add().sent, 'HELLO\r\n');
    assert.equal(pending.open(KEY), pool);
    assert.equal(poolCount(), 1);
    assert.equal(attempts.length, 0);
  });

  it('lets clients wait while the key is being opened, by one attempt for all', async () => {
    const { add, attempts, poolCount } = makeBed();
    const streams = [add(), add()];
    await settle();
    assert.deepEqual(
      streams.map(({ sent }) => sent),
      ['', ''],
    );
    assert.equal(attempts.length, 1);
    attempts[0]?.resolve(KEY);
    await settle();
    assert.deepEqual(
      streams.map(({ sent }) => sent),
      ['HELLO\r\n', 'HELLO\r\n'],
    );
    assert.equal(poolCount(), 1);
  });

  it('disconnects who waits when the key cannot be opened, and tries again for a later one', async () => {
    const { add, attempts, log, timers } = makeBed();
    const stream = add();
    attempts[0]?.reject(new AppError('TOKEN_ABSENT', 'token away', { hint: 'plug it in' }));
    await settle();
    assert.ok(stream.destroyed);
    assert.equal(stream.sent, '');
    assert.deepEqual(log, ['not-greeted reason="token away" hint="plug it in"']);
    await timers.advance(2000);
    const later = add();
    attempts[1]?.resolve(KEY);
    await settle();
    assert.equal(later.sent, 'HELLO\r\n');
  });

  it('lets no more wait than may connect, and one more when one was disconnected', async () => {
    const { add, attempts, log, timers } = makeBed(1);
    const [first, second] = [add(), add()];
    assert.ok(second.destroyed);
    assert.equal(first.destroyed, false);
    assert.deepEqual(log, ['not-greeted reason="too many clients wait for the key"']);
    attempts[0]?.reject(new Error('away'));
    await settle();
    await timers.advance(2000);
    assert.equal(add().destroyed, false);
  });

  it('does not greet a client that left while it waited', async () => {
    const { add, attempts, log } = makeBed();
    const stream = add();
    stream.destroy(new Error('read ECONNRESET'));
    attempts[0]?.resolve(KEY);
    await settle();
    assert.equal(stream.sent, '');
    assert.deepEqual(log, []);
  });

  it('disconnects who waits at the end, without a line of the log', async () => {
    const { pending, add, attempts, log } = makeBed();
    const stream = add();
    await pending.finish(1000);
    assert.ok(stream.destroyed);
    attempts[0]?.reject(new Error('away'));
    await settle();
    const late = add();
    await settle();
    assert.deepEqual(log, []);
    assert.equal(late.sent, '');
  });

  it('lets clients that are served finish at the end', async () => {
    const { pending, add } = makeBed();
    pending.open(KEY);
    const stream = add();
    const finished = pending.finish(1000);
    await settle();
    assert.ok(stream.writableEnded);
    stream.destroy();
    await finished;
  });
});
