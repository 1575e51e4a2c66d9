// How long a daemon takes to its greeting and to its first signature, and the memory it then has;
// and how long after its token helper was lost the next signature comes.

import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectLineClient, type LineClient } from '../support/daemon/line-client.js';
import { childrenOf } from '../support/process.js';
import { residentMiB } from '../support/attack/resident-memory.js';
import type { Scope } from '../support/scope.js';
import { formatSigningInput } from '../support/requests/signing-request.js';
import { median, say } from './measure.js';
import { startServer, type ServerPlan } from './servers.js';

const STARTS = 10;
const LOSSES = 5;
const SETTLE_MS = 300;

async function signOnce(client: LineClient, algorithm: string): Promise<boolean> {
  const kid = 'https://ca.example/acct/1';
  const reply = await client.ask(
    formatSigningInput({ alg: algorithm, kid, url: 'https://ca.example/o' }),
  );
  return reply?.startsWith('!') === false;
}

/** Starts each daemon in turn, several times. */
export async function compareStarts(
  scope: Scope,
  folder: string,
  plans: readonly ServerPlan[],
): Promise<void> {
  const results = plans.map(() => [] as (readonly [number, number, number])[]);
  for (let round = 0; round < STARTS; round += 1) {
    for (const [at, plan] of plans.entries()) {
      const started = performance.now();
      const server = await startServer(scope, folder, plan);
      const client = await connectLineClient(server.socket);
      await client.readGreeting();
      const greeting = performance.now() - started;
      await signOnce(client, plan.algorithm);
      const signature = performance.now() - started;
      results[at]?.push([greeting, signature, residentMiB(server.process.pid)]);
      client.close();
      await server.process.stop();
    }
  }
  say('\nStart to greeting (ms), to first signature (ms), resident memory with helpers (MiB)');
  for (const [at, plan] of plans.entries()) {
    const rows = results[at] ?? [];
    const [greeting, signature, memory] = [0, 1, 2].map((column) =>
      median(rows.map((row) => row[column] ?? NaN)),
    );
    say(
      `  ${plan.name.padEnd(44)} ${greeting?.toFixed(0).padStart(6) ?? ''} ` +
        `${signature?.toFixed(0).padStart(6) ?? ''} ${memory?.toFixed(1).padStart(7) ?? ''}`,
    );
  }
}

/** Kills, or stops, every helper of a daemon, and waits for the next good signature. */
export async function measureRecovery(
  scope: Scope,
  folder: string,
  plan: ServerPlan,
  deadlineMs: number,
): Promise<void> {
  say(`\n${plan.name}: from losing every helper to the next signature (ms)`);
  for (const [name, signal] of [
    ['after SIGKILL', 'SIGKILL'],
    [`after a hang, deadline ${deadlineMs} ms`, 'SIGSTOP'],
  ] as const) {
    const times: number[] = [];
    const server = await startServer(scope, folder, plan);
    const client = await connectLineClient(server.socket);
    await client.readGreeting();
    client.write('!errors\r\n');
    for (let round = 0; round < LOSSES; round += 1) {
      await signOnce(client, plan.algorithm);
      await sleep(SETTLE_MS);
      for (const helper of childrenOf(server.process.pid)) {
        process.kill(helper, signal);
      }
      const lost = performance.now();
      while (!(await signOnce(client, plan.algorithm))) {
        // refused: the next request is asked at once
      }
      times.push(performance.now() - lost);
    }
    client.close();
    await server.process.stop();
    const [best, worst] = [Math.min(...times), Math.max(...times)];
    say(
      `  ${name.padEnd(44)} median ${median(times).toFixed(0)}, ${best.toFixed(0)} to ${worst.toFixed(0)}`,
    );
  }
}
