// `npm run bench`: the daemon beside Debian's lacme-accountd, and beside a bare loop of C_Sign, in one run.
// Rounds alternate between the competitors and medians are told, because machines are noisy: it is the
// ratios that count.

import { fileURLToPath } from 'node:url';
import { performance } from 'node:perf_hooks';
import * as v from 'valibot';
import { makeKey } from '../support/keys.js';
import { writeKeyFile } from '../support/clavigerd.js';
import { connectLineClient } from '../support/line-client.js';
import { mustRun } from '../support/process.js';
import { closableScope, type Scope } from '../support/scope.js';
import { formatSigningInput } from '../support/signing-request.js';
import { createSoftHsm, SOFTHSM_MODULE } from '../support/softhsm.js';
import { makeTempDir } from '../support/temp-dir.js';
import type { LoadPlan } from './load.js';
import {
  clavigerdPlan,
  lacmePlan,
  residentMiB,
  startServer,
  type Server,
  type ServerPlan,
} from './servers.js';

const ROUNDS = 5;
const STARTS = 10;
const REQUESTS = 4000;
const MEASURE_MS = 120_000;
const CONNECTIONS = [1, 4, 16] as const;

const measureSchema = v.object({ perSecond: v.number(), p50: v.number(), p99: v.number() });
type Measure = v.InferOutput<typeof measureSchema>;

const script = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));
const say = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};

async function measure(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Measure> {
  const output = await mustRun(process.execPath, command, { env, timeoutMs: MEASURE_MS });
  return v.parse(measureSchema, JSON.parse(output));
}

function load(server: Server, connections: number): Promise<Measure> {
  const { socket, algorithm } = server;
  const plan: LoadPlan = { socket, algorithm, connections, requests: REQUESTS };
  return measure([script('load-main'), JSON.stringify(plan)]);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

function medians(measures: readonly Measure[]): Measure {
  return {
    perSecond: median(measures.map((m) => m.perSecond)),
    p50: median(measures.map((m) => m.p50)),
    p99: median(measures.map((m) => m.p99)),
  };
}

/** Measures each competitor once a round, in turn; the first one is what the others are compared with. */
async function compare(
  title: string,
  competitors: readonly (readonly [string, () => Promise<Measure>])[],
): Promise<void> {
  const results = competitors.map(() => [] as Measure[]);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, [, run]] of competitors.entries()) {
      results[at]?.push(await run());
    }
  }
  say(`\n${title}`);
  const base = medians(results[0] ?? []);
  for (const [at, [name]] of competitors.entries()) {
    const { perSecond, p50, p99 } = medians(results[at] ?? []);
    const ratio = (perSecond / base.perSecond).toFixed(2);
    say(
      `  ${name.padEnd(42)} ${perSecond.toFixed(0).padStart(7)}/s  x${ratio}  ` +
        `p50 ${p50.toFixed(3)} ms  p99 ${p99.toFixed(3)} ms`,
    );
  }
}

/** Start to greeting, start to first signature, and memory after it. */
async function compareStarts(
  scope: Scope,
  folder: string,
  plans: readonly ServerPlan[],
): Promise<void> {
  say(
    `\nStart to first greeting, to first signature (ms, median of ${STARTS}), resident memory (MiB)`,
  );
  const results = plans.map(() => ({
    greeting: [] as number[],
    signature: [] as number[],
    memory: [] as number[],
  }));
  for (let round = 0; round < STARTS; round += 1) {
    for (const [at, plan] of plans.entries()) {
      const started = performance.now();
      const server = await startServer(scope, folder, plan);
      const client = await connectLineClient(server.socket);
      await client.readGreeting();
      results[at]?.greeting.push(performance.now() - started);
      const kid = 'https://ca.example/acct/1';
      await client.ask(
        formatSigningInput({ alg: plan.algorithm, kid, url: 'https://ca.example/o' }),
      );
      results[at]?.signature.push(performance.now() - started);
      results[at]?.memory.push(residentMiB(server.process.pid));
      client.close();
      await server.process.stop();
    }
  }
  for (const [at, plan] of plans.entries()) {
    const { greeting, signature, memory } = results[at] ?? {
      greeting: [],
      signature: [],
      memory: [],
    };
    say(
      `  ${plan.name.padEnd(42)} ${median(greeting).toFixed(0).padStart(5)}  ` +
        `${median(signature).toFixed(0).padStart(5)}  ${median(memory).toFixed(1).padStart(6)}`,
    );
  }
}

async function bench(scope: Scope): Promise<void> {
  const folder = await makeTempDir(scope, 'cvb-');
  const privkey = await writeKeyFile(folder, makeKey('RS256'));
  const lacme = await lacmePlan(folder, privkey.slice('file:'.length));
  const ours = await clavigerdPlan(folder, {
    name: 'clavigerd, file RSA-2048',
    algorithm: 'RS256',
    privkey,
  });

  say(`${REQUESTS} signatures a round, ${ROUNDS} rounds, medians; Node ${process.version}`);
  const fileServers = [
    await startServer(scope, folder, lacme),
    await startServer(scope, folder, ours),
  ];
  for (const connections of CONNECTIONS) {
    await compare(
      `File key, ${connections} connection${connections === 1 ? '' : 's'}`,
      fileServers.map((server) => [server.name, () => load(server, connections)] as const),
    );
  }
  for (const server of fileServers) {
    await server.process.stop();
  }

  const hsm = await createSoftHsm(scope);
  const token = await hsm.addToken('bench');
  const tokenPlans: ServerPlan[] = [];
  for (const [label, type, algorithm, mechanism, name] of [
    ['rsa', 'rsa:2048', 'RS256', 'CKM_RSA_PKCS', 'RSA-2048'],
    ['p256', 'EC:prime256v1', 'ES256', 'CKM_ECDSA', 'P-256'],
  ] as const) {
    await hsm.addKey(token, { label, id: label === 'rsa' ? '01' : '02', type });
    const uri = hsm.uri(token, { label });
    const plan = await clavigerdPlan(
      folder,
      { name: `clavigerd, SoftHSM ${name}`, algorithm, privkey: uri },
      hsm.env,
    );
    tokenPlans.push(plan);
    const server = await startServer(scope, folder, plan);
    const loop = [script('c-sign-loop'), SOFTHSM_MODULE, 'bench', token.pinFile, label, mechanism];
    await compare(`SoftHSM ${name}`, [
      ['a loop of C_Sign in one process', () => measure([...loop, String(REQUESTS)], hsm.env)],
      ...CONNECTIONS.map(
        (connections) =>
          [`clavigerd, ${connections} connection(s)`, () => load(server, connections)] as const,
      ),
    ]);
    await server.process.stop();
  }
  await compareStarts(scope, folder, [lacme, ours, ...tokenPlans]);
}

const scope = closableScope();
try {
  await bench(scope);
} finally {
  await scope.close();
}
