import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionLog } from '../../../src/daemon/connection-log.js';
import { newLogLines } from '../../support/daemon/log-lines.js';
import { ManualTimers } from '../../support/manual-timers.js';

const START = Date.UTC(2026, 0, 2, 3, 4, 5);

function makeBed(listener?: string) {
  const timers = new ManualTimers();
  const begun = timers.now();
  const { log, lines } = newLogLines({ debug: true });
  const clock = { now: () => START + timers.now() - begun };
  return { timers, log: lines, connectionLog: new ConnectionLog({ log, listener, timers, clock }) };
}

describe('ConnectionLog', () => {
  it('writes each event of few clients on a line of its own', () => {
    const { connectionLog, log } = makeBed();
    assert.equal(connectionLog.connected('1'), true);
    connectionLog.closed('1', 'client closed', true);
    connectionLog.failed('1', 'read ECONNRESET');
    connectionLog.busy('4 connections are open');
    connectionLog.notGreeted('no token', 'plug it in');
    connectionLog.acceptFailed('EMFILE');
    assert.deepEqual(log, [
      'connected conn=1',
      'closed conn=1 reason="client closed"',
      'connection-error conn=1 reason="read ECONNRESET"',
      'refused code=busy reason="4 connections are open"',
      'not-greeted reason="no token" hint="plug it in"',
      'accept-failed reason=EMFILE',
    ]);
  });

  it('joins what comes beyond 64 lines of an event into one every ten seconds', async () => {
    const { connectionLog, log, timers } = makeBed('web');
    for (let at = 0; at < 70; at += 1) {
      assert.equal(connectionLog.connected(`web/${at}`), at < 64);
    }
    await timers.advance(3000);
    connectionLog.closed('web/64', 'idle for too long', false);
    connectionLog.closed('web/65', 'client closed', false);
    assert.equal(log.length, 64);
    await timers.advance(6999);
    assert.equal(log.length, 64);
    await timers.advance(1);
    assert.deepEqual(log.slice(64), [
      'connected listener=web count=6 first-time=2026-01-02T03:04:05.000Z last-time=2026-01-02T03:04:05.000Z',
      'closed reason="client closed" listener=web count=2 first-time=2026-01-02T03:04:08.000Z last-time=2026-01-02T03:04:08.000Z',
    ]);
    assert.equal(timers.running, 0);
  });

  it('writes single lines again as time passes, two a second, for each event by itself', async () => {
    const { connectionLog, log, timers } = makeBed();
    for (let at = 0; at < 65; at += 1) {
      connectionLog.busy('full');
    }
    connectionLog.acceptFailed('EMFILE');
    assert.equal(log.length, 65, 'the 65th is joined, another event is not');
    await timers.advance(1000);
    connectionLog.busy('full');
    connectionLog.busy('full');
    connectionLog.busy('full');
    assert.equal(log.length, 67);
  });

  it('writes all that is joined when it is flushed, once', async () => {
    const { connectionLog, log, timers } = makeBed();
    for (let at = 0; at < 66; at += 1) {
      connectionLog.busy('full');
    }
    await timers.advance(2000);
    connectionLog.flush();
    assert.match(log[64] ?? '', /^refused code=busy reason=full count=2 first-time=\S+05\.000Z /);
    await timers.advance(20_000);
    assert.equal(log.length, 65);
  });
});
