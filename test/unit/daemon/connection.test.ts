import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionLog } from '../../../src/daemon/connection-log.js';
import { Connection, READ_BYTES } from '../../../src/daemon/connection.js';
import { RequestPlaces } from '../../../src/daemon/request-places.js';
import { TurnScheduler } from '../../../src/daemon/turn-scheduler.js';
import { clientOf } from '../../support/daemon/clients.js';
import { newLogLines } from '../../support/daemon/log-lines.js';
import { SigningDouble } from '../../support/daemon/signing-double.js';
import { settle, StreamDouble } from '../../support/daemon/stream-double.js';
import { ManualTimers } from '../../support/manual-timers.js';

const CLOCKS = {
  lineTimeoutMs: 10_000,
  idleTimeoutMs: 600_000,
  placeTimeoutMs: 30_000,
  lingerMs: 2000,
};

/** Connections of one listener that share places and turns. */
function makeBed({ requests = 100, clocks = CLOCKS } = {}) {
  const timers = new ManualTimers();
  const service = new SigningDouble();
  const { log, lines } = newLogLines({ debug: true });
  const closed: string[] = [];
  const shared = {
    greeting: 'HELLO\r\n',
    service,
    places: new RequestPlaces({ requests, bytes: 1024 * 1024 }),
    scheduler: new TurnScheduler({ now: () => timers.now(), defer: setImmediate }),
    connectionLog: new ConnectionLog({ log, listener: undefined, timers }),
    clocks,
    timers,
  };
  return {
    timers,
    service,
    log: lines,
    /** Names of connections whose stream is closed. */
    closed,
    connect: async (name: string, first = '!errors\r\n') => {
      const stream = new StreamDouble(READ_BYTES);
      const connection = new Connection({
        ...shared,
        client: clientOf(name),
        stream,
        onClosed: () => closed.push(name),
      });
      assert.deepEqual(stream.takeLines(), ['HELLO']);
      if (first !== '') {
        await stream.receive(first);
      }
      return { stream, connection };
    },
  };
}

function requests(...names: readonly string[]): string {
  return names.map((name) => `${name}\r\n`).join('');
}

describe('a connection', () => {
  it('sends its replies in the order of the requests, whatever order signatures come in', async () => {
    const { connect, service } = makeBed();
    const { stream } = await connect('1');
    await stream.receive(requests('a', 'b', 'no', 'c'));
    await service.answer('c');
    await service.answer('b');
    assert.deepEqual(stream.takeLines(), []);
    await service.answer('a');
    assert.deepEqual(stream.takeLines(), [
      'sig-a',
      'sig-b',
      '!error {"code":"denied","detail":"no"}',
      'sig-c',
    ]);
  });

  it('writes its beginning and its end to the log, with the reason', async () => {
    const { connect, log, closed } = makeBed();
    const { stream } = await connect('1');
    await stream.endPeer();
    assert.ok(stream.writableEnded);
    stream.destroy();
    await settle();
    assert.deepEqual(log, [
      'connected conn=default/main/1',
      'closed conn=default/main/1 reason="client closed"',
    ]);
    assert.deepEqual(closed, ['1']);
  });

  it('answers what a client asked before it ended its side', async () => {
    const { connect, service } = makeBed();
    const { stream } = await connect('1');
    await stream.receive('a\r\nb');
    await stream.endPeer();
    assert.equal(stream.writableEnded, false);
    await service.answer('a');
    assert.deepEqual(stream.takeLines(), ['sig-a']);
    assert.ok(stream.writableEnded, 'half a line at the end is no request');
    assert.deepEqual(service.admitted, ['a']);
  });

  it('reads no further while there is no place, and goes on when there is one', async () => {
    const { connect, service } = makeBed({ requests: 2 });
    const { stream } = await connect('1');
    await stream.receive(requests('a', 'b', 'c', 'd'));
    assert.deepEqual(service.admitted, ['a', 'b']);
    await stream.receive('x'.repeat(10 * READ_BYTES));
    assert.ok(stream.readableLength >= 10 * READ_BYTES, 'what comes stays in the stream');
    await service.answer('a');
    assert.deepEqual(service.admitted, ['a', 'b', 'c']);
    await service.answer('b');
    assert.deepEqual(service.admitted, ['a', 'b', 'c', 'd']);
  });

  it('takes no further line while the client does not read its replies', async () => {
    const { connect, service } = makeBed();
    const { stream } = await connect('1');
    await stream.setReading(false);
    await stream.receive('!ping\r\n'.repeat(5000));
    const pings = stream.sent.split('\r\n').length + stream.writableLength / '!pong\r\n'.length;
    assert.ok(pings < 4000, `${pings} replies`);
    await stream.receive(requests('a'));
    assert.deepEqual(service.admitted, []);
    await stream.setReading(true);
    assert.deepEqual(service.admitted, ['a']);
    assert.equal(stream.takeLines().length, 5000);
  });

  it('takes no further line while a refusal waits for its record', async () => {
    const { connect, service } = makeBed();
    const { stream } = await connect('1');
    service.holdsRefusals = true;
    await stream.receive(requests('no', 'a'));
    assert.deepEqual(service.admitted, []);
    await service.releaseRefusals();
    assert.deepEqual(service.admitted, ['a']);
    assert.equal(stream.takeLines().length, 1);
  });

  it('closes over a refusal where the client did not ask for errors', async () => {
    const { connect, service, log } = makeBed();
    const { stream } = await connect('1', '');
    await stream.receive(requests('a', 'no', 'b'));
    assert.equal(stream.writableEnded, false);
    await service.answer('a');
    assert.deepEqual(stream.takeLines(), ['sig-a']);
    assert.ok(stream.writableEnded);
    assert.match(log.at(-1) ?? '', /reason="refused: denied"/);
  });

  it('closes after 64 refusals, whatever the client asked for', async () => {
    const { connect, service, log } = makeBed();
    const { stream } = await connect('1');
    await stream.receive('no\r\n'.repeat(63) + requests('a'));
    assert.equal(stream.takeLines().length, 63);
    await service.answer('a');
    await stream.receive(requests('no', 'b'));
    assert.ok(stream.writableEnded);
    assert.equal(stream.takeLines().length, 2);
    assert.deepEqual(service.admitted, ['a']);
    assert.match(log.at(-1) ?? '', /reason="too many refused requests"/);
  });

  it('closes over bytes that are no line, after what came before is answered', async () => {
    const { connect, service, log } = makeBed();
    const { stream } = await connect('1');
    await stream.receive('a\r\nb\nc\r\n');
    assert.deepEqual(service.lineErrors, ['bare-line-ending']);
    await service.answer('a');
    assert.deepEqual(stream.takeLines(), ['sig-a']);
    assert.ok(stream.writableEnded);
    assert.match(log.at(-1) ?? '', /reason=bare-line-ending/);
  });

  it('sends a notice to a client that asked for errors, and while it waits alone', async () => {
    const { connect, service } = makeBed();
    const [modern, plain] = [await connect('1'), await connect('2', '')];
    await modern.stream.receive(requests('a'));
    await plain.stream.receive(requests('b'));
    service.notify('a');
    service.notify('b');
    assert.match(modern.stream.takeLines()[0] ?? '', /^!notice \{"code":"waiting"/);
    assert.deepEqual(plain.stream.takeLines(), []);
    await service.answer('a');
    modern.stream.takeLines();
    service.notify('a');
    assert.deepEqual(modern.stream.takeLines(), []);
  });

  it('takes turns with its neighbours, one request each', async () => {
    const { connect, service } = makeBed();
    const streams = [(await connect('1')).stream, (await connect('2')).stream];
    streams[0]?.push(requests('a1', 'a2', 'a3'));
    streams[1]?.push(requests('b1', 'b2', 'b3'));
    await settle();
    assert.deepEqual(service.admitted, ['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
  });

  it('discards what comes after its end, so that the close is no reset', async () => {
    const { connect, service } = makeBed();
    const { stream } = await connect('1', '');
    await stream.receive(requests('no'));
    assert.ok(stream.writableEnded);
    await stream.receive(requests('a').repeat(2000));
    assert.equal(stream.readableLength, 0);
    assert.deepEqual(service.admitted, []);
  });
});

describe('a client that leaves', () => {
  it('has its requests cancelled, and its late answers go nowhere', async () => {
    const { connect, service, log, closed } = makeBed();
    const { stream } = await connect('1');
    await stream.receive(requests('a'));
    assert.equal(service.isGone('a'), false);
    stream.destroy();
    await settle();
    assert.deepEqual(service.cancelled, ['default/main/1']);
    assert.equal(service.isGone('a'), true);
    assert.match(log.at(-1) ?? '', /reason="client vanished"/);
    assert.deepEqual(closed, ['1']);
    await service.answer('a');
    assert.equal(stream.sent, '');
  });

  it('gives up its wait for a place: its neighbour gets it', async () => {
    const { connect, service } = makeBed({ requests: 1 });
    const streams = [];
    for (const name of ['1', '2', '3']) {
      const { stream } = await connect(name);
      await stream.receive(requests(`r${name}`));
      streams.push(stream);
    }
    streams[1]?.destroy();
    await settle();
    await service.answer('r1');
    assert.deepEqual(service.admitted, ['r1', 'r3']);
  });

  it('is found gone after it ended its side, while its request waits', async () => {
    const { connect, service, timers } = makeBed();
    const { stream } = await connect('1');
    await stream.receive(requests('a'));
    await stream.endPeer();
    await timers.advance(500);
    assert.equal(stream.destroyed, false, 'it may still read');
    stream.leave();
    await timers.advance(499);
    assert.equal(stream.destroyed, false);
    await timers.advance(1);
    await settle();
    assert.ok(stream.destroyed);
    assert.equal(service.isGone('a'), true);
  });
});

describe('the clocks of a connection', () => {
  it('all stop when its stream is closed, whatever it waited for', async () => {
    const { connect, timers } = makeBed({ requests: 1 });
    const half = await connect('1');
    await half.stream.receive('half a line');
    const ended = await connect('2');
    await ended.stream.receive(requests('a'));
    await ended.stream.endPeer();
    const placeless = await connect('3');
    await placeless.stream.receive(requests('b'));
    assert.equal(timers.running, 6, 'each has two');
    for (const { stream } of [half, ended, placeless]) {
      stream.destroy();
    }
    await settle();
    assert.equal(timers.running, 0);
  });

  it('close it when a line takes too long', async () => {
    const { connect, timers, log } = makeBed();
    const { stream } = await connect('1');
    await stream.receive('half');
    await timers.advance(9999);
    await stream.receive(' of it');
    assert.equal(stream.destroyed, false);
    await timers.advance(1);
    assert.ok(stream.destroyed, 'more bytes do not start the clock again');
    assert.match(log.at(-1) ?? '', /reason="half a line for too long"/);
  });

  it('do not count the time in which whole lines wait for their turn', async () => {
    const { connect, service, timers } = makeBed({ requests: 1 });
    const { stream } = await connect('1');
    await stream.receive('a\r\nb\r\nhal');
    await timers.advance(20_000);
    assert.equal(stream.destroyed, false);
    await service.answer('a');
    await service.answer('b');
    await timers.advance(9999);
    assert.equal(stream.destroyed, false);
    await timers.advance(1);
    assert.ok(stream.destroyed);
  });

  it('close it after a silence, counted from the last byte', async () => {
    const { connect, timers, log } = makeBed();
    const { stream } = await connect('1');
    await timers.advance(599_999);
    await stream.receive('!ping\r\n');
    await timers.advance(599_999);
    assert.equal(stream.destroyed, false);
    await timers.advance(1);
    assert.ok(stream.destroyed);
    assert.match(log.at(-1) ?? '', /reason="idle for too long"/);
  });

  it('keep it while a request is in hand, and close it after the silence behind its answer', async () => {
    const { connect, service, timers } = makeBed();
    const { stream } = await connect('1');
    await stream.receive(requests('a'));
    await timers.advance(3 * 600_000);
    assert.equal(stream.destroyed, false);
    await service.answer('a');
    await timers.advance(599_999);
    assert.equal(stream.destroyed, false);
    await timers.advance(1);
    assert.ok(stream.destroyed);
  });

  it('close it when the client does not read its replies', async () => {
    const { connect, timers } = makeBed();
    const { stream } = await connect('1');
    await stream.setReading(false);
    await stream.receive('!ping\r\n'.repeat(5000));
    await timers.advance(600_000);
    assert.ok(stream.destroyed);
  });

  it('refuse as busy what has waited for its place for too long, and no more than that', async () => {
    const { connect, service, timers } = makeBed({ requests: 1 });
    const [first, second] = [await connect('1'), await connect('2')];
    await first.stream.receive(requests('a'));
    await second.stream.receive(requests('b', 'c'));
    await timers.advance(29_999);
    assert.deepEqual(service.refused, []);
    await timers.advance(1);
    await settle();
    assert.deepEqual(service.refused, ['busy b'], 'the next one has a clock of its own');
    assert.deepEqual(second.stream.takeLines(), ['!error {"code":"busy","detail":"no"}']);
    await service.answer('a');
    assert.deepEqual(service.admitted, ['a', 'c']);
    await timers.advance(30_000);
    assert.deepEqual(service.refused, ['busy b'], 'a place stops the clock');
  });

  it('do not refuse the further requests of a client that has one in the queue', async () => {
    const { connect, service, timers } = makeBed({ requests: 1 });
    const { stream } = await connect('1');
    await stream.receive(requests('a', 'b'));
    await timers.advance(300_000);
    assert.deepEqual(service.refused, []);
  });

  it('cut off a client that does not close its side after us', async () => {
    const { connect, timers } = makeBed();
    const { stream } = await connect('1', '');
    await stream.receive(requests('no'));
    await timers.advance(1999);
    assert.equal(stream.destroyed, false);
    await timers.advance(1);
    assert.ok(stream.destroyed);
    assert.equal(timers.running, 0, 'no timer is left');
  });

  it('close a pipe, which does not show that it was closed, when all is written', async () => {
    const { connect, timers } = makeBed({ clocks: { ...CLOCKS, lingerMs: 0 } });
    const reading = await connect('1', '');
    await reading.stream.receive(requests('no'));
    assert.ok(reading.stream.destroyed);
    const stuck = await connect('2');
    await stuck.stream.setReading(false);
    await stuck.stream.receive('!ping\r\n');
    stuck.connection.finish();
    await timers.advance(999);
    assert.equal(stuck.stream.destroyed, false);
    await timers.advance(1);
    assert.ok(stuck.stream.destroyed);
  });
});

describe('a connection at the end of the daemon', () => {
  it('answers what it has read, takes nothing more and closes', async () => {
    const { connect, service, log } = makeBed();
    const { stream, connection } = await connect('1');
    await stream.receive(requests('a'));
    connection.finish();
    await stream.receive(requests('b'));
    assert.equal(stream.writableEnded, false);
    await service.answer('a');
    assert.deepEqual(stream.takeLines(), ['sig-a']);
    assert.ok(stream.writableEnded);
    assert.deepEqual(service.admitted, ['a']);
    assert.match(log.at(-1) ?? '', /reason="shutting down"/);
  });

  it('closes at once when it has nothing in hand, and is destroyed when it is told to', async () => {
    const { connect, timers, closed } = makeBed();
    const idle = await connect('1');
    idle.connection.finish();
    assert.ok(idle.stream.writableEnded);
    const busy = await connect('2');
    await busy.stream.receive(requests('a'));
    busy.connection.destroy('shutting down');
    await settle();
    assert.deepEqual(closed, ['2']);
    await timers.advance(2000);
    assert.deepEqual(closed, ['2', '1']);
  });
});
