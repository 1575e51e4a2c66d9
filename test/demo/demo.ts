// `npm run demo`: the main job on real parts. A key is made inside a SoftHSM token, the daemon
// signs with it, the client registers an account and obtains certificates from Pebble; then the
// daemon is switched to key-ID-only mode and account management is shown to be gone; at last a
// policy holds it to two names, and the audit log is checked. What it starts it stops.

import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectLineClient } from '../support/daemon/line-client.js';
import { startPebble, type Pebble } from '../support/client/pebble.js';
import { runCommand, startProcess, type RunningProcess } from '../support/process.js';
import { CLAVIGER, CLAVIGERD } from '../support/programs.js';
import { formatSigningInput } from '../support/requests/signing-request.js';
import {
  createSoftHsm,
  SOFTHSM_MODULE,
  type SoftHsm,
  type SoftHsmToken,
} from '../support/modules/softhsm.js';
import { makeTempDir } from '../support/temp-dir.js';
import { closableScope, type Scope } from '../support/scope.js';

const NAMES = ['demo.example.org', 'www.demo.example.org'];
const TOKEN_LABEL = 'demo';
const KEY_LABEL = 'account';
const COMMAND_MS = 30_000;

interface Stage {
  readonly folder: string;
  readonly hsm: SoftHsm;
  readonly token: SoftHsmToken;
  readonly pebble: Pebble;
  readonly socket: string;
}

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

let step = 0;
const heading = (text: string): void => {
  step += 1;
  say(`\n== ${step}. ${text}`);
};

const indent = (text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `   ${line}`)
    .join('\n');

/**
 * Prints a command, runs it, prints its output, and returns that.
 * @param isAllowed false for a command that has to fail.
 */
async function run(
  program: string,
  args: readonly string[],
  env: SoftHsm['env'],
  isAllowed = true,
): Promise<string> {
  const name = program === CLAVIGERD ? 'clavigerd' : 'claviger';
  say(`   $ ${[name, ...args.map(quoted)].join(' ')}`);
  const result = await runCommand(process.execPath, [program, ...args], {
    env,
    timeoutMs: COMMAND_MS,
  });
  const output = result.stdout + result.stderr;
  if (output !== '') {
    say(indent(output));
  }
  if ((result.code === 0) !== isAllowed) {
    throw new Error(`${name} ended with exit code ${result.code ?? 'none'}`);
  }
  return output;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}

async function startSigner(
  scope: Scope,
  stage: Stage,
  settings: readonly string[],
): Promise<RunningProcess> {
  const config = join(stage.folder, 'clavigerd.toml');
  const uri = stage.hsm.uri(stage.token, { label: KEY_LABEL });
  const text = [
    `privkey = "${uri}"`,
    `state-directory = "${join(stage.folder, 'state')}"`,
    `socket = "${stage.socket}"`,
    `logfile = "${join(stage.folder, 'clavigerd.log')}"`,
    ...settings,
  ].join('\n');
  await writeFile(config, `${text}\n`, { mode: 0o600 });
  say(indent(text));
  say(`   $ clavigerd --config=${config} &`);
  return startProcess(scope, {
    command: process.execPath,
    args: [CLAVIGERD, `--config=${config}`],
    env: stage.hsm.env,
    waitFor: { socket: stage.socket },
  });
}

/** The arguments that get a certificate into files of this name. */
function issueArguments(stage: Stage, names: readonly string[], name: string): readonly string[] {
  const { pebble, folder, socket } = stage;
  return [
    'issue',
    ...names,
    `--server=${pebble.directoryUrl}`,
    `--server-ca-file=${pebble.caFile}`,
    `--socket=${socket}`,
    `--listen=127.0.0.1:${pebble.httpPort}`,
    `--key=${join(folder, `${name}.key`)}`,
    `--fullchain=${join(folder, `${name}.pem`)}`,
    `--ca-file=${pebble.rootCaFile}`,
  ];
}

async function issue(stage: Stage, name: string): Promise<void> {
  const { folder, hsm } = stage;
  const fullchain = join(folder, `${name}.pem`);
  await run(CLAVIGER, issueArguments(stage, NAMES, name), hsm.env);
  const certificate = new X509Certificate(readFileSync(fullchain));
  say('\n   The certificate:');
  say(`     subject  ${certificate.subject || '(empty: the names below are what counts)'}`);
  say(`     names    ${certificate.subjectAltName ?? ''}`);
  say(`     issuer   ${certificate.issuer.replaceAll('\n', ', ')}`);
  say(`     valid    ${certificate.validFrom} to ${certificate.validTo}`);
}

/** What the daemon signed and refused since the last time, from its log. */
function showRecord(stage: Stage, since: number): number {
  const lines = readFileSync(join(stage.folder, 'clavigerd.log'), 'utf8').trimEnd().split('\n');
  const records = lines.slice(since).filter((line) => / (signed|refused) /.test(line));
  say(`\n   The daemon's record, ${records.length} lines:`);
  for (const line of records) {
    say(`     ${line.replace(/ sha256=([0-9a-f]{12})[0-9a-f]*/, ' sha256=$1...')}`);
  }
  return lines.length;
}

/** Asks for what a stolen key ID would be used for first; the daemon must refuse. */
async function tryDeactivation(stage: Stage, keyId: string): Promise<string> {
  const client = await connectLineClient(stage.socket);
  await client.readGreeting();
  client.write('!errors\r\n');
  const reply = await client.ask(
    formatSigningInput({
      alg: 'ES256',
      kid: keyId,
      url: keyId,
      payload: { status: 'deactivated' },
    }),
  );
  client.close();
  return reply ?? '(connection closed)';
}

/** A token with the account's key in it, and an ACME server. */
async function prepare(scope: Scope): Promise<Stage> {
  const folder = await makeTempDir(scope, 'claviger-demo-');
  heading('A throw-away token, and an account key made inside it');
  const hsm = await createSoftHsm(scope);
  const token = await hsm.addToken(TOKEN_LABEL);
  const place = [`--module=${SOFTHSM_MODULE}`, `--token=${TOKEN_LABEL}`];
  const key = [`--label=${KEY_LABEL}`, '--type=p256'];
  const pin = `--pin-source=file:${token.pinFile}`;
  await run(CLAVIGERD, ['key', 'generate', ...place, pin, ...key], hsm.env);

  heading('An ACME server: Pebble, rejecting 15 % of all nonces');
  const pebble = await startPebble(scope, { nonceReject: 15 });
  say(`   ${pebble.directoryUrl}`);
  return { folder, hsm, token, pebble, socket: join(folder, 'S') };
}

/** Registers an account, and returns its URL, which is its key ID. */
async function registerAccount({ hsm, pebble, socket }: Stage): Promise<string> {
  const server = [
    `--server=${pebble.directoryUrl}`,
    `--server-ca-file=${pebble.caFile}`,
    `--socket=${socket}`,
  ];
  const register = ['account', 'register', '--agree-tos', '--contact=mailto:admin@example.org'];
  await run(CLAVIGER, [...register, ...server], hsm.env);
  const account = await run(CLAVIGER, ['account', 'show', ...server], hsm.env);
  return /https:\/\/\S+/.exec(account)?.[0] ?? '';
}

/** A daemon that knows the key ID signs for certificates, and for nothing about the account. */
async function showKeyIdOnly(
  scope: Scope,
  stage: Stage,
  { keyId, seen }: { readonly keyId: string; readonly seen: number },
): Promise<void> {
  heading('Key-ID-only mode: the client does not even get the public key');
  const daemon = await startSigner(scope, stage, [`keyid = "${keyId}"`]);
  await issue(stage, 'second');

  heading('Account management is gone: a request to deactivate the account');
  const refusal = await tryDeactivation(stage, keyId);
  say(`   ${refusal}`);
  showRecord(stage, seen);
  if (!refusal.startsWith('!error {"code":"denied"')) {
    throw new Error('the deactivation was not refused');
  }
  await daemon.stop();
}

async function showPolicy(scope: Scope, stage: Stage, keyId: string): Promise<void> {
  heading('A policy: these two names and no other, and an audit log');
  const daemon = await startSigner(scope, stage, [
    `keyid = "${keyId}"`,
    `audit-log = "${join(stage.folder, 'audit.jsonl')}"`,
    'default-policy = "web"',
    '[policy.web]',
    'operations = ["read", "new-order", "answer-challenge", "finalize"]',
    'identifiers = ["demo.example.org", "*.demo.example.org"]',
    'budgets = ["10 new-order per 1d"]',
  ]);
  await issue(stage, 'third');
  const other = issueArguments(stage, ['mail.example.net'], 'other');
  const output = await run(CLAVIGER, other, stage.hsm.env, false);
  if (!output.includes("policy 'web' does not allow new-order for mail.example.net")) {
    throw new Error('the policy did not refuse another name');
  }

  heading('The audit log: what was decided, and that nothing was changed');
  const config = `--config=${join(stage.folder, 'clavigerd.toml')}`;
  await run(CLAVIGERD, ['audit', 'summary', config], stage.hsm.env);
  await run(CLAVIGERD, ['audit', 'verify', config], stage.hsm.env);
  await daemon.stop();
}

async function demo(scope: Scope): Promise<void> {
  const stage = await prepare(scope);

  heading('The signing daemon');
  const daemon = await startSigner(scope, stage, []);

  heading('The account: the client has the public key only');
  const keyId = await registerAccount(stage);

  heading('A certificate for two names, over http-01');
  await issue(stage, 'first');
  const seen = showRecord(stage, 0);
  await daemon.stop();

  await showKeyIdOnly(scope, stage, { keyId, seen });
  await showPolicy(scope, stage, keyId);
  if (existsSync(stage.socket)) {
    throw new Error('the daemon left its socket behind');
  }
}

const started = Date.now();
const scope = closableScope();
process.once('SIGINT', () => {
  void scope.close().finally(() => process.exit(1));
});
try {
  await demo(scope);
  await scope.close();
  say(
    `\nDone in ${((Date.now() - started) / 1000).toFixed(1)} s; everything started is stopped and removed. Packages that the set-up installed stay; it printed how to remove them.`,
  );
} catch (error) {
  await scope.close();
  process.stderr.write(`demo: error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
