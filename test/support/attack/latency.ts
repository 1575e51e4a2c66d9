// What a client that asks for one signature after another waits for each. Used by test processes
// only.

import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectLineClient } from '../daemon/line-client.js';

/** Between two requests: a client that is alone is no load. */
const PAUSE_MS = 2;
const REPLY_TIMEOUT_MS = 60_000;

export interface Latency {
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** How many requests were answered. */
  readonly count: number;
  /** Replies that were no signature. */
  readonly refusals: readonly string[];
}

interface LatencyOptions {
  readonly socket: string;
  readonly line: string;
  /** Ends after so many, or so many milliseconds. */
  readonly requests: number;
  readonly maxMs: number;
}

/** @throws Error when the daemon closes, or gives no answer. */
export async function measureLatency(options: LatencyOptions): Promise<Latency> {
  const client = await connectLineClient(options.socket);
  await client.readGreeting();
  client.write('!errors\r\n');
  const times: number[] = [];
  const refusals: string[] = [];
  const deadline = performance.now() + options.maxMs;
  while (times.length < options.requests && performance.now() < deadline) {
    const asked = performance.now();
    client.write(`${options.line}\r\n`);
    const reply = await client.readLine(REPLY_TIMEOUT_MS);
    times.push(performance.now() - asked);
    if (reply === undefined) {
      throw new Error('the daemon closed the connection');
    }
    if (reply.startsWith('!')) {
      refusals.push(reply);
    }
    await sleep(PAUSE_MS);
  }
  client.close();
  times.sort((a, b) => a - b);
  const quantile = (part: number): number => times[Math.floor(times.length * part)] ?? NaN;
  return { p50: quantile(0.5), p99: quantile(0.99), count: times.length, refusals };
}
