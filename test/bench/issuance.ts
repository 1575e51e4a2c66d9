// One issuance from the start of the program to the installed files, beside acme-tiny, which is
// short, serial, and does all that a small ACME client has to. The CA is Pebble, once as it asks to
// come back in seconds, once in none.

import { createServer } from 'node:http';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { startClavigerd } from '../support/daemon/clavigerd.js';
import { makeKey } from '../support/keys/keys.js';
import { startPebble, type Pebble } from '../support/client/pebble.js';
import { mustRun } from '../support/process.js';
import { CLAVIGER } from '../support/programs.js';
import { atEnd, type Scope } from '../support/scope.js';
import { makeTempDir } from '../support/temp-dir.js';
import { median, say } from './measure.js';

/** Issuances of each program: of few names many, since they are short. */
const ROUNDS: readonly (readonly [names: number, rounds: number])[] = [
  [2, 11],
  [100, 3],
];
const RETRY_AFTER = [
  { authz: 3, order: 5 },
  { authz: 0, order: 0 },
] as const;
const ISSUE_MS = 120_000;

interface Bed {
  readonly folder: string;
  readonly pebble: Pebble;
  /** Where the web server of the names answers from. */
  readonly webroot: string;
  readonly socket: string;
  readonly accountKey: string;
}

/**
 * A CA, a web server for its questions, and the signer, which runs already, as it would on a
 * machine.
 */
async function openBed(scope: Scope, retryAfter: (typeof RETRY_AFTER)[number]): Promise<Bed> {
  const folder = await makeTempDir(scope, 'cvi-');
  const pebble = await startPebble(scope, { nonceReject: 0, authzReuse: 0, retryAfter });
  const webroot = join(folder, 'html');
  await mkdir(join(webroot, '.well-known/acme-challenge'), { recursive: true });
  const server = createServer((request, response) => {
    readFile(join(webroot, request.url ?? '')).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    );
  });
  server.listen({ host: '127.0.0.1', port: pebble.httpPort });
  atEnd(scope, () => {
    server.closeAllConnections();
    server.close();
  });
  const key = makeKey('RS256');
  const accountKey = join(folder, 'account.pem');
  await writeFile(accountKey, key.pem, { mode: 0o600 });
  const { socket } = await startClavigerd(scope, { key });
  return { folder, pebble, webroot, socket, accountKey };
}

/** Milliseconds one run takes. */
async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

function claviger(bed: Bed, names: readonly string[], name: string): Promise<string> {
  const { folder, pebble, webroot, socket } = bed;
  const files = [`--key=${join(folder, name)}.key`, `--fullchain=${join(folder, name)}.pem`];
  const args = ['issue', ...names, ...files, `--webroot=${webroot}`, `--socket=${socket}`];
  return runClaviger(pebble, [...args, `--state-directory=${join(folder, 'state')}`, '--quiet']);
}

function runClaviger(pebble: Pebble, args: readonly string[]): Promise<string> {
  const server = [`--server=${pebble.directoryUrl}`, `--server-ca-file=${pebble.caFile}`];
  return mustRun(process.execPath, [CLAVIGER, ...args, ...server], { timeoutMs: ISSUE_MS });
}

/** acme-tiny gets key and request made beforehand, as its manual says; claviger makes them. */
async function acmeTiny(bed: Bed, request: string): Promise<void> {
  const { pebble, webroot, accountKey } = bed;
  const challenges = join(webroot, '.well-known/acme-challenge');
  await mustRun(
    'acme-tiny',
    [
      ...['--account-key', accountKey, '--csr', request, '--acme-dir', challenges],
      ...['--disable-check', '--quiet', '--directory-url', pebble.directoryUrl],
    ],
    { env: { SSL_CERT_FILE: pebble.caFile }, timeoutMs: ISSUE_MS },
  );
}

async function makeRequest({ folder }: Bed, names: readonly string[]): Promise<string> {
  const path = join(folder, `${names.length}.csr`);
  await mustRun('openssl', [
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-subj', '/', '-addext', `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`],
    ...['-keyout', `${path}.key`, '-out', path],
  ]);
  return path;
}

/** Prints medians: each program for two names and for a hundred. */
export async function benchIssuance(scope: Scope): Promise<void> {
  for (const retryAfter of RETRY_AFTER) {
    const bed = await openBed(scope, retryAfter);
    await runClaviger(bed.pebble, ['account', 'register', '--agree-tos', `--socket=${bed.socket}`]);
    say(`\nOne issuance from Pebble, Retry-After ${retryAfter.authz} s and ${retryAfter.order} s`);
    const ours: number[] = [];
    for (const [count, rounds] of ROUNDS) {
      const names = Array.from({ length: count }, (_, at) => `n${at}.bench.test`);
      const request = await makeRequest(bed, names);
      const times = { tiny: [] as number[], claviger: [] as number[] };
      for (let round = 0; round < rounds; round += 1) {
        times.tiny.push(await timed(() => acmeTiny(bed, request)));
        times.claviger.push(await timed(() => claviger(bed, names, `${count}-${round}`)));
      }
      const [tiny, own] = [median(times.tiny), median(times.claviger)];
      ours.push(own);
      say(
        `  ${String(count).padStart(3)} names   acme-tiny ${inSeconds(tiny)}   claviger ${inSeconds(own)}` +
          `   x${(own / tiny).toFixed(2)}`,
      );
    }
    const [two = NaN, hundred = NaN] = ours;
    say(`  a hundred names take x${(hundred / two).toFixed(2)} of two`);
  }
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
