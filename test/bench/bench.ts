// `npm run bench`: the daemon beside Debian's lacme-accountd, and beside bare C_Sign, in one run;
// and the client beside acme-tiny, which alone is `npm run bench -- issuance`.

import { join } from 'node:path';
import { makeKey } from '../support/keys/keys.js';
import { writeKeyFile } from '../support/daemon/clavigerd.js';
import { mustRun } from '../support/process.js';
import { ROOT } from '../support/programs.js';
import { closableScope, type Scope } from '../support/scope.js';
import { formatSigningInput } from '../support/requests/signing-request.js';
import { createSoftHsm, SOFTHSM_MODULE } from '../support/modules/softhsm.js';
import { makeTempDir } from '../support/temp-dir.js';
import { benchHostileLoad } from './hostile.js';
import { compare, measure, say, type Measure } from './measure.js';
import {
  clavigerdPlan,
  lacmePlan,
  startServer,
  type ClavigerdPlan,
  type Server,
  type ServerPlan,
} from './servers.js';
import { benchIssuance } from './issuance.js';
import { compareStarts, measureRecovery } from './starts.js';

const FILE_REQUESTS = 4000;
/** What V8 compiles on the way is not measured. */
const WARM_UP_REQUESTS = 3000;
const CONNECTIONS = [1, 4, 16] as const;
const RECOVERY_DEADLINE_S = 1;

/**
 * The load generator, compiled: it must cost little of the processors that the daemons are measured
 * on.
 */
async function compile(
  folder: string,
  program: string,
  libraries: readonly string[] = [],
): Promise<string> {
  const output = join(folder, program);
  const source = join(ROOT, 'test/bench', `${program}.c`);
  await mustRun('gcc', ['-O2', '-I/usr/include/p11-kit-1', '-o', output, source, ...libraries]);
  return output;
}

const NEW_ORDER = { identifiers: [{ type: 'dns', value: 'www.example.org' }] };

interface Load {
  /** Open at once; each asks for one signature after another. */
  readonly connections: number;
  readonly requests: number;
  /** Default: none, a POST-as-GET, which is most of what clients ask. */
  readonly payload?: Readonly<Record<string, unknown>>;
}

function load(
  program: string,
  server: Server,
  { connections, requests, payload }: Load,
): Promise<Measure> {
  const line = formatSigningInput({
    alg: server.algorithm,
    kid: 'https://ca.example/acme/acct/4711',
    url: 'https://ca.example/acme/order/4711',
    ...(payload && { payload }),
  });
  return measure(program, [server.socket, String(connections), String(requests), line]);
}

/** The daemon and lacme-accountd with the same file key. */
async function benchFileKey(scope: Scope, folder: string): Promise<ServerPlan[]> {
  const program = await compile(folder, 'load');
  const privkey = await writeKeyFile(folder, makeKey('RS256'));
  const plans = [
    await lacmePlan(folder, privkey.slice('file:'.length)),
    await clavigerdPlan(folder, { name: 'clavigerd, file RSA-2048', algorithm: 'RS256', privkey }),
  ];
  const servers: Server[] = [];
  for (const plan of plans) {
    const server = await startServer(scope, folder, plan);
    await load(program, server, { connections: 1, requests: WARM_UP_REQUESTS });
    servers.push(server);
  }
  for (const connections of CONNECTIONS) {
    await compare(
      `File key, ${inWords(connections)}`,
      servers.map(
        (server) =>
          [
            server.name,
            () => load(program, server, { connections, requests: FILE_REQUESTS }),
          ] as const,
      ),
    );
  }
  for (const server of servers) {
    await server.process.stop();
  }
  return plans;
}

/** What policy and audit log cost: the same orders signed by daemons with and without them. */
async function benchRecords(scope: Scope, folder: string): Promise<void> {
  const program = await compile(folder, 'load');
  const privkey = await writeKeyFile(await makeTempDir(scope, 'cvb-'), makeKey('ES256'));
  const policy = [
    '[policy.web]',
    'operations = ["read", "new-order", "answer-challenge", "finalize"]',
    'identifiers = ["www.example.org", "*.example.net", "2001:db8::/32"]',
    'max-identifiers = 2',
    'servers = ["https://ca.example"]',
  ];
  const audit = (name: string): string => `audit-log = ${JSON.stringify(join(folder, name))}`;
  const state = (name: string): string =>
    `state-directory = ${JSON.stringify(join(folder, `state-${name}`))}`;
  const servers: Server[] = [];
  for (const [name, ...settings] of [
    ['no policy, no audit log'],
    ['policy', 'default-policy = "web"', ...policy],
    ['policy and audit log', audit('audit-1'), state('1'), 'default-policy = "web"', ...policy],
    [
      'the same, durable',
      audit('audit-2'),
      state('2'),
      'audit-durable = true',
      'default-policy = "web"',
      ...policy,
    ],
  ] as const) {
    const key = { name, algorithm: 'ES256', privkey };
    const plan = await clavigerdPlan(folder, key, {}, settings.join('\n'));
    const server = await startServer(scope, folder, plan);
    await load(program, server, {
      connections: 16,
      requests: WARM_UP_REQUESTS,
      payload: NEW_ORDER,
    });
    servers.push(server);
  }
  for (const connections of [1, 16]) {
    await compare(
      `File key P-256, orders, ${inWords(connections)}`,
      servers.map(
        (server) =>
          [
            server.name,
            () =>
              load(program, server, { connections, requests: FILE_REQUESTS, payload: NEW_ORDER }),
          ] as const,
      ),
    );
  }
  for (const server of servers) {
    await server.process.stop();
  }
}

/** A kind of key, and enough requests for some seconds of it. */
const TOKEN_KEYS = [
  {
    label: 'k1',
    id: '01',
    type: 'rsa:2048',
    algorithm: 'RS256',
    name: 'RSA-2048',
    requests: 6_000,
  },
  {
    label: 'k2',
    id: '02',
    type: 'EC:prime256v1',
    algorithm: 'ES256',
    name: 'P-256',
    requests: 20_000,
  },
] as const;

/** The daemon with keys in SoftHSM, and C_Sign on the same token from C. */
async function benchToken(scope: Scope, folder: string): Promise<ClavigerdPlan[]> {
  const program = await compile(folder, 'load');
  const cSign = await compile(folder, 'c-sign', ['-ldl', '-lpthread']);
  const hsm = await createSoftHsm(scope);
  const token = await hsm.addToken('bench');
  const plans: ClavigerdPlan[] = [];
  for (const { label, id, type, algorithm, name, requests } of TOKEN_KEYS) {
    await hsm.addKey(token, { label, id, type });
    const privkey = hsm.uri(token, { label });
    const named = { name: `clavigerd, SoftHSM ${name}`, algorithm, privkey };
    const plan = await clavigerdPlan(folder, named, hsm.env, 'helpers = 2');
    plans.push(plan);
    const server = await startServer(scope, folder, plan);
    await load(program, server, { connections: 16, requests: WARM_UP_REQUESTS });
    const kind = algorithm === 'RS256' ? 'rsa' : 'ec';
    const bare = (threads: number) => (): Promise<Measure> => {
      const args = [token.pinFile, label, kind, String(threads), String(requests)];
      return measure(cSign, [SOFTHSM_MODULE, 'bench', ...args], hsm.env);
    };
    await compare(`SoftHSM ${name}, two helpers`, [
      ['C_Sign in a loop, one thread', bare(1)],
      ['C_Sign in a loop, two threads', bare(2)],
      ...CONNECTIONS.map(
        (connections) =>
          [
            `clavigerd, ${inWords(connections)}`,
            () => load(program, server, { connections, requests }),
          ] as const,
      ),
    ]);
    await server.process.stop();
  }
  return plans;
}

function inWords(connections: number): string {
  return `${connections} connection${connections === 1 ? '' : 's'}`;
}

async function bench(scope: Scope): Promise<void> {
  const folder = await makeTempDir(scope, 'cvb-');
  say(`Medians of alternating rounds; Node ${process.version}`);
  await benchIssuance(scope);
  if (process.argv.includes('issuance')) {
    return;
  }
  const filePlans = await benchFileKey(scope, folder);
  await benchRecords(scope, folder);
  const tokenPlans = await benchToken(scope, folder);
  await compareStarts(scope, folder, [...filePlans, ...tokenPlans]);
  const [, p256] = tokenPlans;
  if (p256 !== undefined) {
    const deadline = `sign-timeout = ${RECOVERY_DEADLINE_S}`;
    const plan = await p256.with(deadline);
    await measureRecovery(scope, folder, plan, RECOVERY_DEADLINE_S * 1000);
  }
  await benchHostileLoad(scope, await compile(folder, 'load'));
}

const scope = closableScope();
try {
  await bench(scope);
} finally {
  await scope.close();
}
