// Clients that are many, or mean harm, and what the others of the same daemon feel of them: a
// little, whatever is sent, over any number of connections. Latencies are compared with those of
// the same client at rest.

import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeSectionBed, startInBed } from '../../support/daemon/daemon-sections.js';
import { startFlood } from '../../support/attack/flood.js';
import {
  linesOf,
  makeHostileBed,
  makeHostileLines,
  type HostileBed,
  type HostileLines,
} from '../../support/attack/hostile-bed.js';
import { measureLatency, type Latency } from '../../support/attack/latency.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { peakMiB, residentMiB } from '../../support/attack/resident-memory.js';
import { atEnd, suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const MAX_RESIDENT_MIB = 150;
/** 239 connections with half a line of 32 KiB each, and as much for what is read of them. */
const MAX_GROWN_MIB = 40;
const LOOKS = 40;
const LOOK_MS = 100;
/** Until every connection has refusals that wait, for two seconds each. */
const REFUSED_LOOKS = 60;

let lines: HostileLines;
const fileScope = suiteScope();
before(async () => {
  lines = await makeHostileLines(await makeTempDir(fileScope, 'cvh-'));
});

function honestLatency({ honest }: HostileBed, requests: number, maxMs: number): Promise<Latency> {
  return measureLatency({ socket: honest, line: lines.read, requests, maxMs });
}

describe('memory', () => {
  it('does not grow with lines that wait behind a request, on as many connections as may be', async (t) => {
    const bed = await makeHostileBed(t);
    await honestLatency(bed, 1, 20_000); // the helper is there
    bed.token.setFaults('C_Sign sleep=3000');
    const bytes = Buffer.concat([linesOf(lines.read, 1), Buffer.from('\r\n'.repeat(64 * 1024))]);
    const flood = await startFlood(t, { socket: bed.reader, connections: 239, bytes });
    await sleep(LOOKS * LOOK_MS);
    const peak = peakMiB(bed.daemon.pid);
    assert.ok(peak < MAX_RESIDENT_MIB, `${peak} MiB`);
    flood.stop();
    bed.token.setFaults();
    assert.deepEqual((await honestLatency(bed, 3, 20_000)).refusals, []);
  });

  it('does not grow with approved requests of 32 KiB that wait for the token', async (t) => {
    const bed = await makeHostileBed(t);
    await honestLatency(bed, 1, 20_000);
    bed.token.setFaults('C_Sign sleep=3000');
    const bytes = linesOf(lines.order, 32);
    const flood = await startFlood(t, { socket: bed.web, connections: 239, bytes });
    await sleep(LOOKS * LOOK_MS);
    const peak = peakMiB(bed.daemon.pid);
    assert.ok(peak < MAX_RESIDENT_MIB, `${peak} MiB`);
    flood.stop();
    bed.token.setFaults();
    assert.deepEqual((await honestLatency(bed, 3, 20_000)).refusals, []);
  });

  it('does not grow with one attack after another, over two listeners', async (t) => {
    const bed = await makeHostileBed(t);
    await honestLatency(bed, 1, 20_000);
    const reads = Buffer.concat([linesOf(lines.read, 1), Buffer.from('\r\n'.repeat(64 * 1024))]);
    for (const bytes of [reads, linesOf(lines.order, 32)]) {
      bed.token.setFaults('C_Sign sleep=3000');
      const floods = [
        await startFlood(t, { socket: bed.reader, connections: 239, bytes }),
        await startFlood(t, { socket: bed.web, connections: 239, bytes }),
      ];
      await sleep(LOOKS * LOOK_MS);
      floods.forEach((flood) => {
        flood.stop();
      });
      bed.token.setFaults();
      assert.deepEqual((await honestLatency(bed, 3, 20_000)).refusals, []);
    }
    const peak = peakMiB(bed.daemon.pid);
    assert.ok(peak < MAX_RESIDENT_MIB, `${peak} MiB`);
  });

  it('does not grow with orders of 32 KiB beyond a budget, whose refusals wait for their turn', async (t) => {
    const bed = await makeSectionBed(
      t,
      `privkey = "file:@/account.pem"
      socket = "@/S"
      state-directory = "@/state"
      default-policy = "web"

      [policy.web]
      operations = ["new-order"]
      identifiers = ["*.example.org"]
      budgets = ["1 new-order per 1d"]`,
    );
    const socket = bed.path('S');
    const daemon = await startInBed(t, bed, { waitFor: { socket } });
    const bytes = linesOf(lines.order, 64);
    const again = bytes.subarray('!errors\r\n'.length);
    const flood = await startFlood(t, { socket, connections: 239, bytes, again });
    await sleep(REFUSED_LOOKS * LOOK_MS);
    const peak = peakMiB(daemon.pid);
    flood.stop();
    assert.ok(flood.received > 100_000, `${flood.received} bytes of refusals`);
    assert.ok(peak < MAX_RESIDENT_MIB, `${peak} MiB`);
  });

  it('does not grow with halves of lines that come byte by byte', async (t) => {
    const bed = await makeHostileBed(t);
    await honestLatency(bed, 1, 20_000);
    const rest = residentMiB(bed.daemon.pid);
    const half = Buffer.alloc(32 * 1024 - 4096, 'x');
    const again = Buffer.from('x');
    const options = { socket: bed.reader, connections: 239, bytes: half, again };
    await startFlood(t, options);
    await sleep(LOOKS * LOOK_MS);
    const grown = residentMiB(bed.daemon.pid) - rest;
    assert.ok(grown < MAX_GROWN_MIB, `${grown} MiB more`);
  });
});

describe('the event loop', () => {
  const scope = suiteScope();
  let bed: HostileBed;
  before(async () => {
    bed = await makeHostileBed(scope);
    await honestLatency(bed, 20, 20_000);
  });

  for (const [name, listener, connections, line] of [
    ['64 connections with 64 CSRs of P-521 keys that may not be', 'reader', 64, 'finalize'],
    ['250 connections with 64 CSRs of P-521 keys that may not be', 'reader', 250, 'finalize'],
    ['64 connections with 64 CSRs of P-521 keys that may be', 'web', 64, 'finalize'],
    ['64 connections with 64 orders of 32 KiB that may not be', 'reader', 64, 'order'],
    ['250 connections with 64 reads each', 'reader', 250, 'read'],
  ] as const) {
    it(`is not kept from a client of another listener by ${name}`, async (t) => {
      const rest = await honestLatency(bed, 200, 4_000);
      const bytes = linesOf(lines[line], 64);
      const again = bytes.subarray('!errors\r\n'.length);
      const flood = await startFlood(t, { socket: bed[listener], connections, bytes, again });
      const attacked = await honestLatency(bed, 200, 6_000);
      flood.stop();
      assert.ok(flood.received > 10_000, 'it had its answers too');
      assert.deepEqual(attacked.refusals, []);
      const most = Math.max(100, 20 * rest.p99);
      const told = `p99 ${attacked.p99} ms, ${rest.p99} ms at rest`;
      assert.ok(attacked.p99 <= most, told);
    });
  }
});

describe('a slow token', () => {
  const TOKEN_MS = 100;

  it('serves listeners in turn: a client waits for what it is at, and for one of each other listener', async (t) => {
    const bed = await makeHostileBed(t);
    await honestLatency(bed, 1, 20_000);
    bed.token.setFaults(`C_Sign sleep=${TOKEN_MS}`);
    await honestLatency(bed, 1, 20_000); // it counts as slow from now on
    const bytes = linesOf(lines.read, 32);
    await startFlood(t, { socket: bed.reader, connections: 250, bytes });
    await startFlood(t, { socket: bed.web, connections: 60, bytes });
    const client = await connectLineClient(bed.honest);
    atEnd(t, () => {
      client.close();
    });
    await client.readGreeting();
    for (let count = 0; count < 8; count += 1) {
      const before = bed.token.calls('C_Sign').length;
      const reply = await client.ask(lines.read);
      const signed = bed.token.calls('C_Sign').length - before;
      assert.match(reply ?? '', /^[\w-]{86}$/);
      // What was in hand, one of each of the two, its own, and what was begun before the reply was
      // read.
      assert.ok(signed <= 5, `${signed} signatures`);
    }
  });

  it('refuses nobody because a neighbour keeps the queue full', async (t) => {
    const bed = await makeHostileBed(t);
    await honestLatency(bed, 1, 20_000);
    bed.token.setFaults('C_Sign sleep=2');
    const bytes = linesOf(lines.read, 64);
    const again = bytes.subarray('!errors\r\n'.length);
    const flood = await startFlood(t, { socket: bed.reader, connections: 34, bytes, again });
    const neighbour = { socket: bed.reader, line: lines.read, requests: 20, maxMs: 15_000 };
    const latency = await measureLatency(neighbour);
    flood.stop();
    assert.deepEqual(latency.refusals, []);
    assert.ok(latency.count >= 3, `${latency.count} answers`);
  });
});
