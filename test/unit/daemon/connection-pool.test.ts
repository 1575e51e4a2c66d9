import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionLog } from '../../../src/daemon/connection-log.js';
import { ConnectionPool } from '../../../src/daemon/connection-pool.js';
import { RequestPlaces } from '../../../src/daemon/request-places.js';
import { TurnScheduler } from '../../../src/daemon/turn-scheduler.js';
import { newLogLines } from '../../support/daemon/log-lines.js';
import { SigningDouble } from '../../support/daemon/signing-double.js';
import { settle, StreamDouble } from '../../support/daemon/stream-double.js';
import { ManualTimers } from '../../support/manual-timers.js';

const CLOCKS = { lineTimeoutMs: 1e6, idleTimeoutMs: 1e6, placeTimeoutMs: 1e6, lingerMs: 2000 };

function makeBed({ maxConnections = 10, isOneOfMany = false } = {}) {
  const timers = new ManualTimers();
  const service = new SigningDouble();
  const { log, lines } = newLogLines();
  const pool = new ConnectionPool({
    settings: {
      greeting: 'HELLO\r\n',
      service,
      places: new RequestPlaces({ requests: 10, bytes: 1e6 }),
      scheduler: new TurnScheduler({ now: () => timers.now(), defer: setImmediate }),
      connectionLog: new ConnectionLog({ log, listener: undefined, timers }),
      clocks: CLOCKS,
      timers,
    },
    maxConnections,
    account: 'default',
    listener: 'web',
    isOneOfMany,
  });
  const add = (): StreamDouble => {
    const stream = new StreamDouble();
    pool.add(stream);
    return stream;
  };
  return { timers, service, log: lines, pool, add };
}

describe('ConnectionPool', () => {
  it('numbers connections, behind the name of their listener where there are several', () => {
    const one = makeBed();
    one.add();
    one.add();
    assert.deepEqual(one.log, ['connected conn=1', 'connected conn=2']);
    const many = makeBed({ isOneOfMany: true });
    many.add();
    assert.deepEqual(many.log, ['connected conn=web/1']);
  });

  it('disconnects one client too many without an answer, until another has left', async () => {
    const { add, log } = makeBed({ maxConnections: 2 });
    const [first, , third] = [add(), add(), add()];
    third.emit('error', new Error('read ECONNRESET'));
    assert.ok(third.destroyed);
    assert.equal(third.sent, '');
    assert.match(log.at(-1) ?? '', /^refused code=busy reason="2 connections are open"$/);
    first.destroy();
    await settle();
    assert.equal(add().sent, 'HELLO\r\n');
    assert.match(log.at(-1) ?? '', /^connected conn=3$/);
  });

  it('is empty when the last client has left', async () => {
    const { add, pool } = makeBed();
    await pool.whenEmpty();
    const streams = [add(), add()];
    let isEmpty = false;
    void pool.whenEmpty().then(() => {
      isEmpty = true;
    });
    streams[0]?.destroy();
    await settle();
    assert.equal(isEmpty, false);
    streams[1]?.destroy();
    await settle();
    assert.equal(isEmpty, true);
  });

  it('lets clients have their answers at the end, and destroys what is open after the grace', async () => {
    const { add, pool, service, timers, log } = makeBed();
    const [answered, stuck] = [add(), add()];
    await answered.receive('a\r\n');
    await stuck.receive('b\r\n');
    let isFinished = false;
    void pool.finish(5000).then(() => {
      isFinished = true;
    });
    await service.answer('a');
    assert.match(answered.sent, /sig-a\r\n$/);
    answered.destroy();
    await timers.advance(4999);
    assert.equal(stuck.destroyed, false);
    assert.equal(isFinished, false);
    await timers.advance(1);
    await settle();
    assert.ok(stuck.destroyed);
    assert.equal(isFinished, true);
    assert.equal(log.filter((line) => line.includes('reason="shutting down"')).length, 2);
    assert.equal(timers.running, 0);
  });

  it('has no timer left when the clients leave before the grace is over', async () => {
    const { add, pool, timers } = makeBed();
    const stream = add();
    const finished = pool.finish(5000);
    stream.destroy();
    await finished;
    assert.equal(timers.running, 0);
  });
});
