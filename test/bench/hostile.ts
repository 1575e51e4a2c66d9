// What a client feels of others that mean harm: its latency at rest and while they attack its
// daemon on another listener, and the memory that the daemon then has.

import { setTimeout as sleep } from 'node:timers/promises';
import { startFlood } from '../support/attack/flood.js';
import {
  linesOf,
  makeHostileBed,
  makeHostileLines,
  type HostileBed,
  type HostileLines,
} from '../support/attack/hostile-bed.js';
import { peakMiB } from '../support/attack/resident-memory.js';
import { closableScope, type Scope } from '../support/scope.js';
import { makeTempDir } from '../support/temp-dir.js';
import { measure, say } from './measure.js';

const WARM_UP_REQUESTS = 20;
const REQUESTS = 400;
const SLOW_TOKEN_MS = 100;
const SLOW_REQUESTS = 30;
const HELD_MS = 5_000;
const MANY = 250;
/** So many as a listener takes beside a few others. */
const MOST = 239;

type Listener = 'reader' | 'web';

/** Who attacks by what each request costs the daemon. */
const COSTLY: readonly (readonly [string, Listener, number, keyof HostileLines])[] = [
  ['64 connections, CSRs of P-521 keys, not allowed', 'reader', 64, 'finalize'],
  ['250 connections, CSRs of P-521 keys, not allowed', 'reader', MANY, 'finalize'],
  ['64 connections, CSRs of P-521 keys, allowed', 'web', 64, 'finalize'],
  ['64 connections, orders of 32 KiB, not allowed', 'reader', 64, 'order'],
  ['64 connections, orders of 32 KiB, allowed', 'web', 64, 'order'],
  ['250 connections, reads', 'reader', MANY, 'read'],
];

/**
 * Prints latencies and memory, each attack on a daemon of its own.
 * @param load the compiled load generator: the client that is measured is in no process that floods
 */
export async function benchHostileLoad(scope: Scope, load: string): Promise<void> {
  const lines = await makeHostileLines(await makeTempDir(scope, 'cvb-'));
  const client = { load, line: lines.read };
  say('\nAn honest client of a SoftHSM P-256 key, while clients of another listener attack');
  await onBed(async (bed) => {
    await printLatency('at rest', bed, client);
  });
  for (const [name, listener, connections, line] of COSTLY) {
    await onBed(async (bed, own) => {
      const bytes = linesOf(lines[line], 64);
      const again = bytes.subarray('!errors\r\n'.length);
      await startFlood(own, { socket: bed[listener], connections, bytes, again });
      await printLatency(name, bed, client);
    });
  }
  say(`\nThe same with a token that takes ${SLOW_TOKEN_MS} ms for a signature`);
  for (const connections of [0, MANY]) {
    await onBed(async (bed, own) => {
      bed.token.setFaults(`C_Sign sleep=${SLOW_TOKEN_MS}`);
      const flood = { socket: bed.reader, connections, bytes: linesOf(lines.read, 64) };
      await startFlood(own, flood);
      const name = connections === 0 ? 'at rest' : `${connections} connections, reads`;
      await printLatency(name, bed, { ...client, requests: SLOW_REQUESTS });
    });
  }
  say(
    '\nMost resident memory of the daemon, without its helpers (MiB), while a request waits for the token',
  );
  const empty = Buffer.concat([linesOf(lines.read, 1), Buffer.from('\r\n'.repeat(64 * 1024))]);
  const orders = linesOf(lines.order, 32);
  for (const [name, listeners, connections, bytes] of [
    ['at rest', [], 0, empty],
    [`${MOST} connections, idle`, ['reader'], MOST, Buffer.alloc(0)],
    [`${MOST} connections, 128 KiB of empty lines each`, ['reader'], MOST, empty],
    [`${MOST} connections, 32 orders of 32 KiB each`, ['web'], MOST, orders],
    [`twice ${MOST} connections, such orders`, ['reader', 'web'], MOST, orders],
  ] as const) {
    await onBed(async (bed, own) => {
      bed.token.setFaults(`C_Sign sleep=${HELD_MS}`);
      for (const listener of listeners) {
        await startFlood(own, { socket: bed[listener], connections, bytes });
      }
      await sleep(HELD_MS);
      say(`  ${name.padEnd(56)} ${peakMiB(bed.daemon.pid).toFixed(0).padStart(6)}`);
    });
  }
}

/** A daemon that is warm, and everything about it ended afterwards. */
async function onBed(use: (bed: HostileBed, scope: Scope) => Promise<void>): Promise<void> {
  const scope = closableScope();
  try {
    const bed = await makeHostileBed(scope);
    await use(bed, scope);
    bed.token.setFaults();
  } finally {
    await scope.close();
  }
}

interface HonestClient {
  /** The compiled load generator. */
  readonly load: string;
  readonly line: string;
  readonly requests?: number;
}

async function printLatency(
  name: string,
  { honest }: HostileBed,
  { load, line, requests = REQUESTS }: HonestClient,
): Promise<void> {
  const run = (count: number) => measure(load, [honest, '1', String(count), line]);
  await run(Math.min(WARM_UP_REQUESTS, requests));
  const { p50, p99 } = await run(requests);
  const figures = [p50, p99].map((value) => value.toFixed(2).padStart(7));
  say(`  ${name.padEnd(56)} p50 ${figures[0] ?? ''} ms  p99 ${figures[1] ?? ''} ms`);
}
