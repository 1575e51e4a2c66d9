// `npm run bench`: the daemon beside Debian's lacme-accountd, and beside bare C_Sign, in one run.

import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { makeKey } from '../support/keys.js';
import { writeKeyFile } from '../support/clavigerd.js';
import { mustRun } from '../support/process.js';
import { ROOT } from '../support/programs.js';
import { closableScope, type Scope } from '../support/scope.js';
import { createSoftHsm, SOFTHSM_MODULE } from '../support/softhsm.js';
import { makeTempDir } from '../support/temp-dir.js';
import type { LoadPlan } from './load.js';
import { compare, measure, say, type Measure } from './measure.js';
import {
  clavigerdPlan,
  lacmePlan,
  startServer,
  type ClavigerdPlan,
  type Server,
  type ServerPlan,
} from './servers.js';
import { compareStarts, measureRecovery } from './starts.js';

const FILE_REQUESTS = 4000;
const TOKEN_REQUESTS = 6000;
const CONNECTIONS = [1, 4, 16] as const;
const RECOVERY_DEADLINE_S = 1;

function load(server: Server, connections: number, requests: number): Promise<Measure> {
  const { socket, algorithm } = server;
  const plan: LoadPlan = { socket, algorithm, connections, requests };
  const script = fileURLToPath(new URL('./load-main.js', import.meta.url));
  return measure(process.execPath, [script, JSON.stringify(plan)]);
}

/** The daemon and lacme-accountd with the same file key. */
async function benchFileKey(scope: Scope, folder: string): Promise<ServerPlan[]> {
  const privkey = await writeKeyFile(folder, makeKey('RS256'));
  const plans = [
    await lacmePlan(folder, privkey.slice('file:'.length)),
    await clavigerdPlan(folder, { name: 'clavigerd, file RSA-2048', algorithm: 'RS256', privkey }),
  ];
  const servers: Server[] = [];
  for (const plan of plans) {
    servers.push(await startServer(scope, folder, plan));
  }
  for (const connections of CONNECTIONS) {
    await compare(
      `File key, ${connections} connection${connections === 1 ? '' : 's'}`,
      servers.map(
        (server) => [server.name, () => load(server, connections, FILE_REQUESTS)] as const,
      ),
    );
  }
  for (const server of servers) {
    await server.process.stop();
  }
  return plans;
}

/** The daemon with keys in SoftHSM, and C_Sign on the same token from C. */
async function benchToken(scope: Scope, folder: string): Promise<ClavigerdPlan[]> {
  const cSign = join(folder, 'c-sign');
  const source = join(ROOT, 'test/bench/c-sign.c');
  await mustRun('gcc', [
    '-O2',
    '-I/usr/include/p11-kit-1',
    '-o',
    cSign,
    source,
    '-ldl',
    '-lpthread',
  ]);
  const hsm = await createSoftHsm(scope);
  const token = await hsm.addToken('bench');
  const plans: ClavigerdPlan[] = [];
  for (const [label, type, algorithm, kind, name] of [
    ['k1', 'rsa:2048', 'RS256', 'rsa', 'RSA-2048'],
    ['k2', 'EC:prime256v1', 'ES256', 'ec', 'P-256'],
  ] as const) {
    await hsm.addKey(token, { label, id: label === 'k1' ? '01' : '02', type });
    const privkey = hsm.uri(token, { label });
    const named = { name: `clavigerd, SoftHSM ${name}`, algorithm, privkey };
    const plan = await clavigerdPlan(folder, named, hsm.env);
    plans.push(plan);
    const server = await startServer(scope, folder, plan);
    const bare = (threads: number) => (): Promise<Measure> =>
      measure(
        cSign,
        [
          SOFTHSM_MODULE,
          'bench',
          token.pinFile,
          label,
          kind,
          String(threads),
          String(TOKEN_REQUESTS),
        ],
        hsm.env,
      );
    await compare(`SoftHSM ${name}`, [
      ['C_Sign in a loop, one thread', bare(1)],
      ['C_Sign in a loop, two threads', bare(2)],
      ...CONNECTIONS.map(
        (connections) =>
          [
            `clavigerd, ${connections} connection${connections === 1 ? '' : 's'}`,
            () => load(server, connections, TOKEN_REQUESTS),
          ] as const,
      ),
    ]);
    await server.process.stop();
  }
  return plans;
}

async function bench(scope: Scope): Promise<void> {
  const folder = await makeTempDir(scope, 'cvb-');
  say(`Medians of alternating rounds; Node ${process.version}`);
  const filePlans = await benchFileKey(scope, folder);
  const tokenPlans = await benchToken(scope, folder);
  await compareStarts(scope, folder, [...filePlans, ...tokenPlans]);
  const [, p256] = tokenPlans;
  if (p256 !== undefined) {
    const deadline = `sign-timeout = ${RECOVERY_DEADLINE_S}`;
    const plan = await p256.with(deadline);
    await measureRecovery(scope, folder, plan, RECOVERY_DEADLINE_S * 1000);
  }
}

const scope = closableScope();
try {
  await bench(scope);
} finally {
  await scope.close();
}
