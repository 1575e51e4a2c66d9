// The load of the benchmark: connections that ask for one signature after another. A process of its own,
// so that its work is not counted to a daemon: `node load.js '{"socket":...}'`, the result on stdout.

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';

export interface LoadPlan {
  readonly socket: string;
  readonly connections: number;
  /** Signatures over all connections. */
  readonly requests: number;
  readonly algorithm: string;
}

export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds from writing a request to having its signature; the first of a connection from connecting. */
  readonly p50: number;
  readonly p99: number;
}

const CONNECT_RETRY_MS = 1;
const CONNECT_TRIES = 20_000;

/** Runs the load against a listening daemon. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const header = {
    alg: plan.algorithm,
    nonce: 'oFvnlFP1wIhRlYS2jTaXbA',
    url: 'https://ca.example/acme/order/4711/finalize',
    kid: 'https://ca.example/acme/acct/4711',
  };
  const encode = (value: unknown): string =>
    Buffer.from(JSON.stringify(value)).toString('base64url');
  const line = `${encode(header)}.${encode({ csr: 'A'.repeat(80) })}\r\n`;
  const latencies: number[] = [];
  const started = performance.now();
  const each = Math.ceil(plan.requests / plan.connections);
  await Promise.all(
    Array.from({ length: plan.connections }, () => converse(plan.socket, line, each, latencies)),
  );
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? NaN;
  return { perSecond: latencies.length / seconds, p50: at(0.5), p99: at(0.99) };
}

/** Asks `count` times on one connection, and closes it: a serial daemon then serves the next one. */
async function converse(
  path: string,
  line: string,
  count: number,
  latencies: number[],
): Promise<void> {
  let asked = performance.now();
  const socket = await connectPatiently(path);
  await new Promise<void>((resolve, reject) => {
    let received = '';
    let greeted = false;
    let left = count;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      for (let end = received.indexOf('\r\n'); end !== -1; end = received.indexOf('\r\n')) {
        const reply = received.slice(0, end);
        received = received.slice(end + 2);
        if (!greeted) {
          greeted = reply.startsWith('{');
          if (greeted) {
            socket.write(line);
          }
          continue;
        }
        latencies.push(performance.now() - asked);
        left -= 1;
        if (left === 0) {
          socket.end();
          resolve();
          return;
        }
        asked = performance.now();
        socket.write(line);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => {
      reject(new Error('the daemon closed the connection'));
    });
  });
}

/** A daemon with a short backlog turns connections away (EAGAIN) while it serves another. */
async function connectPatiently(path: string): Promise<Socket> {
  for (let tries = 0; tries < CONNECT_TRIES; tries += 1) {
    const socket = await new Promise<Socket | undefined>((resolve) => {
      const candidate = connect(path);
      candidate.once('connect', () => {
        candidate.removeAllListeners('error');
        resolve(candidate);
      });
      candidate.once('error', () => {
        resolve(undefined);
      });
    });
    if (socket !== undefined) {
      return socket;
    }
    await sleep(CONNECT_RETRY_MS);
  }
  throw new Error(`${path}: no connection`);
}
