// The audit log of a normal day: each kind of decision, as the daemon writes it down. The values
// are exact, and nothing of what was signed, no nonce and no PIN, is among them.

import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RECORD_MEMBERS, type AuditRecord } from '../../../src/audit/audit-record.js';
import { parseRecord } from '../../../src/audit/record-line.js';
import { packageVersion } from '../../../src/cli/terminal/version.js';
import {
  connectAskingClient,
  hashOf,
  makeInput,
  type Answer,
} from '../../support/daemon/asking-client.js';
import { verifyFiles } from '../../support/audit/audit-chain.js';
import { makeCsrDer } from '../../support/requests/certificate-request.js';
import {
  makeSectionBed,
  orderFor,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import { CKR, createFaultyToken, type FaultyToken } from '../../support/modules/fault-module.js';
import { makeKey } from '../../support/keys/keys.js';
import { connectLineClient, type LineClient } from '../../support/daemon/line-client.js';
import type { SigningRequest } from '../../support/requests/signing-request.js';

const MAX_LOOKS = 2_000;
const URL = 'https://ca.example/x';

function settingsOf({ uri }: FaultyToken): string {
  return `
privkey = "file:@/account.pem"
keyid = "https://ca.example/acct/1"
state-directory = "@/state"
audit-log = "@/audit.jsonl"

[account.card]
privkey = ${JSON.stringify(uri)}
helpers = 1
touch-notice = 20

[policy.web]
operations = ["read", "new-order", "finalize"]
identifiers = ["*.example.org", "192.0.2.0/24"]
csr-key-types = ["p256"]
budgets = ["1 new-order per 1d per identifier"]

[[listen]]
name = "admin"
socket = "@/admin"

[[listen]]
name = "web"
socket = "@/web"
policy = "web"

[[listen]]
name = "card"
socket = "@/card"
account = "card"
`;
}

interface Day {
  readonly bed: SectionBed;
  readonly faulty: FaultyToken;
  /** The only record that is new since the last call. */
  readonly record: () => Promise<Readonly<Record<string, unknown>>>;
  /** All text of the log. */
  readonly text: () => string;
}

async function begin(t: TestContext): Promise<Day> {
  const faulty = await createFaultyToken(t);
  const bed = await makeSectionBed(t, settingsOf(faulty));
  const log = bed.path('audit.jsonl');
  await startInBed(t, bed, { env: faulty.hsm.env, waitFor: { socket: bed.path('card') } });
  const text = (): string => readFileSync(log, 'utf8');
  const lines = (): string[] => text().split('\n').slice(0, -1);
  let seen = 0;
  const record = async (): Promise<Readonly<Record<string, unknown>>> => {
    for (let looks = 0; lines().length === seen; looks += 1) {
      assert.ok(looks < MAX_LOOKS, 'no new record');
      await sleep(10);
    }
    const [line = '', ...more] = lines().slice(seen);
    assert.deepEqual(more, []);
    seen += 1;
    assertOrder(line);
    return withoutChain(parseRecord(Buffer.from(line)), seen);
  };
  return { bed, faulty, record, text };
}

/** The members come in the order that clavigerd-audit(5) gives. */
function assertOrder(line: string): void {
  const value: unknown = JSON.parse(line);
  assert.ok(typeof value === 'object' && value !== null);
  const names: string[] = RECORD_MEMBERS.filter((name) => name in value);
  assert.deepEqual(Object.keys(value), names);
}

/** Checks number, time and durations, which no test knows, and leaves them out. */
function withoutChain(record: AuditRecord, number: number): Readonly<Record<string, unknown>> {
  const { seq, time, prev, 'queue-ms': queueMs, 'token-ms': tokenMs, ...rest } = record;
  assert.equal(seq, number);
  assert.match(prev, number === 1 ? /^0{64}$/ : /^[0-9a-f]{64}$/);
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 600_000, time);
  assert.equal(queueMs !== undefined && tokenMs !== undefined, record.verdict === 'signed');
  return rest;
}

const scopeOf = (listener: string, connection: number): object => ({
  event: 'decision',
  account: listener === 'card' ? 'card' : 'default',
  listener,
  connection: `${listener}/${connection}`,
});

const IN_WEB = { ...scopeOf('web', 1), policy: 'web', url: URL };

type Ask = (request: Partial<SigningRequest>) => Promise<Answer>;

async function recordSigned({
  bed,
  record,
  ask,
}: Pick<Day, 'bed' | 'record'> & { readonly ask: Ask }): Promise<void> {
  const order = await ask(orderFor('WWW.example.org', 'mail.example.org.'));
  assert.deepEqual(await record(), {
    ...IN_WEB,
    verdict: 'signed',
    operation: 'new-order',
    identifiers: ['dns:WWW.example.org', 'dns:mail.example.org.'],
    rule: 'web',
    sha256: hashOf(order),
  });

  const read = await ask({ url: 'https://ca.example/order/7?x=%22' });
  assert.deepEqual(await record(), {
    ...IN_WEB,
    url: 'https://ca.example/order/7?x=%22',
    verdict: 'signed',
    operation: 'read',
    rule: 'web',
    sha256: hashOf(read),
  });

  const subject = makeKey('ES256');
  const names = ['DNS:www.example.org', 'IP:192.0.2.7'];
  const csr = await makeCsrDer(bed.folder, subject.privateKey, { alternatives: names });
  const finalize = await ask({ payload: { csr: csr.toString('base64url') } });
  const spki = createPublicKey(subject.privateKey).export({ type: 'spki', format: 'der' });
  assert.deepEqual(await record(), {
    ...IN_WEB,
    verdict: 'signed',
    operation: 'finalize',
    identifiers: ['dns:www.example.org', 'ip:192.0.2.7'],
    'csr-key': createHash('sha256').update(spki).digest('hex'),
    rule: 'web',
    sha256: hashOf(finalize),
  });
}

async function recordRefused({
  record,
  ask,
}: Pick<Day, 'record'> & { readonly ask: Ask }): Promise<void> {
  const denied = await ask(orderFor('www.example.org', 'www.example.net'));
  assert.deepEqual(await record(), {
    ...IN_WEB,
    verdict: 'denied',
    operation: 'new-order',
    identifiers: ['dns:www.example.org', 'dns:www.example.net'],
    rule: 'web.identifiers',
    code: 'denied',
    reason: "policy 'web' does not allow new-order for www.example.net",
    sha256: hashOf(denied),
  });

  const unknown = await ask({ payload: { status: 'deactivated', identifiers: [] } });
  assert.deepEqual(await record(), {
    ...IN_WEB,
    verdict: 'denied',
    rule: 'known-operation',
    code: 'denied',
    reason: 'the request is none of the known ACME operations',
    sha256: hashOf(unknown),
  });

  const limited = await ask(orderFor('www.example.org'));
  assert.deepEqual(await record(), {
    ...IN_WEB,
    verdict: 'rate-limited',
    operation: 'new-order',
    identifiers: ['dns:www.example.org'],
    rule: 'web.budgets',
    code: 'rate-limited',
    reason:
      `policy 'web' allows "1 new-order per 1d per identifier", which is used up; ` +
      'there is room again in 1 day',
    sha256: hashOf(limited),
  });
}

async function recordMalformed(lines: LineClient, record: Day['record']): Promise<void> {
  const [header = ''] = makeInput().split('.');
  const critical = Buffer.from(header, 'base64url').toString().replace('{', '{"crit":["b64"],');
  lines.write(`${Buffer.from(critical).toString('base64url')}.\r\n`);
  assert.match((await lines.readLine()) ?? '', /^!error \{"code":"malformed"/);
  assert.deepEqual(await record(), {
    ...scopeOf('web', 1),
    policy: 'web',
    url: URL,
    verdict: 'malformed',
    code: 'malformed',
    reason: 'protected header: unexpected member',
  });
  lines.write('GET / HTTP/1.1\r\n');
  assert.match((await lines.readLine()) ?? '', /^!error \{"code":"malformed"/);
  // The second of its kind: it waits ten seconds for others that it could be joined with.
  const { 'first-time': first, 'last-time': last, ...joined } = await record();
  assert.ok(typeof first === 'string' && first === last);
  assert.deepEqual(joined, {
    ...scopeOf('web', 1),
    policy: 'web',
    verdict: 'malformed',
    code: 'malformed',
    reason: 'protected header: base64url: not canonical',
    count: 1,
  });
}

describe('the audit log of a normal day', () => {
  it('tells of each request what it was and what became of it', async (t) => {
    const { bed, faulty, record, text } = await begin(t);
    const reason = `clavigerd ${packageVersion()}`;
    assert.deepEqual(await record(), { event: 'start', begins: 'file', reason });
    const answers: Answer[] = [];
    const web = await connectAskingClient(t, bed.path('web'), bed.key.privateKey);
    const ask = async (request: Partial<SigningRequest>): Promise<Answer> => {
      const answer = await web.ask(request);
      answers.push(answer);
      return answer;
    };
    await recordSigned({ bed, record, ask });
    await recordRefused({ record, ask });
    await recordMalformed(web.lines, record);

    assert.deepEqual(
      answers.map(({ outcome }) => outcome),
      [...['signed', 'signed', 'signed'], ...['denied', 'denied', 'rate-limited']],
    );
    assertSecretsStayOut(text(), faulty, answers);
    assert.deepEqual(verifyFiles([bed.path('audit.jsonl')]).findings, []);
  });

  it('tells which rule let a request pass where there is no policy', async (t) => {
    const { bed, record } = await begin(t);
    await record();
    const admin = await connectAskingClient(t, bed.path('admin'), bed.key.privateKey);
    const order = await admin.ask(orderFor('münchen.example', 'a:b,c'));
    assert.deepEqual(await record(), {
      ...scopeOf('admin', 1),
      url: URL,
      verdict: 'signed',
      operation: 'new-order',
      identifiers: ['dns:m%C3%BCnchen.example', 'dns:a:b%2Cc'],
      rule: 'key-id-only',
      sha256: hashOf(order),
    });
    const url = 'https://ca.example/acct/1';
    const deactivation = await admin.ask({ url, payload: { status: 'deactivated' } });
    assert.deepEqual(await record(), {
      ...scopeOf('admin', 1),
      url,
      verdict: 'denied',
      operation: 'deactivate-account',
      rule: 'key-id-only',
      code: 'denied',
      reason: 'deactivate-account is not allowed in key-ID-only mode',
      sha256: hashOf(deactivation),
    });
  });

  it('tells of a token that fails, and of clients that leave', async (t) => {
    const { bed, faulty, record, text } = await begin(t);
    await record();
    const card = await connectAskingClient(t, bed.path('card'));
    // That the daemon listens was seen by a connection, the first.
    const inCard = { ...scopeOf('card', 2), url: URL, operation: 'read', rule: 'all-operations' };
    const first = await card.ask();
    assert.deepEqual(await record(), { ...inCard, verdict: 'signed', sha256: hashOf(first) });

    faulty.setFaults(`C_Sign rv=${CKR.CKR_KEY_FUNCTION_NOT_PERMITTED}`);
    const failed = await card.ask();
    assert.deepEqual(await record(), {
      ...inCard,
      verdict: 'failed',
      code: 'TOKEN_FAILED',
      reason: 'token: C_Sign: CKR_KEY_FUNCTION_NOT_PERMITTED (0x68)',
      sha256: hashOf(failed),
    });

    // One request is in the token and one may wait in its helper; the third waits in the daemon.
    faulty.setFaults('C_Sign sleep=3000 count=1');
    const other = await connectAskingClient(t, bed.path('card'));
    const slow = [card.ask(), other.ask()];
    const leaving = await connectLineClient(bed.path('card'));
    await leaving.readGreeting();
    const left = makeInput();
    leaving.write(`${left}\r\n`);
    leaving.close();
    assert.deepEqual(await record(), {
      ...inCard,
      connection: 'card/4',
      verdict: 'cancelled',
      reason: 'the client is gone',
      sha256: createHash('sha256').update(left).digest('hex'),
    });
    const answers = [first, failed, ...(await Promise.all(slow))];
    assert.deepEqual(
      answers.map(({ outcome }) => outcome),
      ['signed', 'internal', 'signed', 'signed'],
    );
    assertSecretsStayOut(text(), faulty, answers);
  });
});

/** Neither what was to be signed nor a part of it, no nonce, no signature, no PIN. */
function assertSecretsStayOut(
  text: string,
  { token }: FaultyToken,
  answers: readonly Answer[],
): void {
  assert.equal(text.includes(token.pin), false);
  for (const { input, reply } of answers) {
    const [header = '', payload = ''] = input.split('.');
    const nonce = /"nonce":"([^"]+)"/.exec(Buffer.from(header, 'base64url').toString())?.[1];
    assert.ok(nonce !== undefined && nonce.length > 5);
    for (const secret of [header, payload, nonce, reply].filter((part) => part !== '')) {
      assert.equal(text.includes(secret), false, secret);
    }
  }
}
