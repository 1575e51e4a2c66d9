// The live daemon under attack, and how an attack is made on it: once by a client that wants to
// know why, once by one that does not. Every reply, every record of the audit log is looked at.
// Used by test processes only.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditRecord } from '../../../src/audit/audit-record.js';
import { parseRecord } from '../../../src/audit/record-line.js';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { GOOD_LINE, type Attack, type Expected } from './attack.js';
import { startClavigerd, type Clavigerd, type ClavigerdOptions } from '../daemon/clavigerd.js';
import type { TestKey } from '../keys/keys.js';
import { connectLineClient, type LineClient } from '../daemon/line-client.js';
import { atEnd, type Scope } from '../scope.js';
import { isSignatureOf } from '../requests/signing-request.js';
import { makeTempDir } from '../temp-dir.js';

const TIMEOUT_MS = 20_000;
const POLL_MS = 10;

export interface AttackBed {
  readonly daemon: Clavigerd;
  readonly auditLog: string;
  readonly key: TestKey;
  /** The decisions recorded since the last call, once there are this many. */
  takeDecisions(count: number): Promise<readonly AuditRecord[]>;
}

export interface AttackBedOptions {
  readonly key: TestKey;
  /** Default: the key, in a file. */
  readonly privkey?: string;
  readonly env?: ClavigerdOptions['env'];
  /** TOML. */
  readonly settings: string;
}

export async function makeAttackBed(
  scope: Scope,
  { key, privkey, env, settings }: AttackBedOptions,
): Promise<AttackBed> {
  const folder = await makeTempDir(scope, 'cva-');
  const auditLog = join(folder, 'audit.jsonl');
  const daemon = await startClavigerd(scope, {
    key: privkey ?? key,
    stateDirectory: folder,
    settings: `audit-log = ${JSON.stringify(auditLog)}\n${settings}`,
    ...(env === undefined ? {} : { env }),
  });
  const readNew = tail(auditLog);
  const pending: AuditRecord[] = [];
  return {
    daemon,
    auditLog,
    key,
    takeDecisions: async (count) => {
      const deadline = Date.now() + TIMEOUT_MS;
      for (;;) {
        pending.push(...readNew().filter(({ event }) => event === 'decision'));
        if (pending.reduce((sum, record) => sum + (record.count ?? 1), 0) >= count) {
          return pending.splice(0);
        }
        assert.ok(Date.now() < deadline, `${pending.length} of ${count} decisions were recorded`);
        daemon.process.signal('SIGHUP'); // has refusals that are joined written
        await sleep(POLL_MS);
      }
    },
  };
}

/** Gives the records that were appended to a file since the last call. */
function tail(path: string): () => readonly AuditRecord[] {
  let offset = 0;
  return () => {
    const file = openSync(path, 'r');
    const bytes = Buffer.alloc(1024 * 1024);
    const length = readSync(file, bytes, 0, bytes.length, offset);
    closeSync(file);
    const whole = bytes.subarray(0, bytes.subarray(0, length).lastIndexOf('\n') + 1);
    offset += whole.length;
    const lines = whole.toString('latin1').split('\n').slice(0, -1);
    return lines.map((line) => parseRecord(Buffer.from(line, 'latin1')));
  };
}

/**
 * With `!errors`: the refusal says why, its record is there before it, and the connection still
 * serves.
 */
export async function attackOpenly(
  scope: Scope,
  bed: AttackBed,
  { bytes }: Attack,
  expected: Expected,
): Promise<void> {
  const client = await connectLineClient(bed.daemon.socket);
  atEnd(scope, () => {
    client.close();
  });
  await client.readGreeting();
  await bed.takeDecisions(0); // of an attack before it that was not as expected
  client.write('!errors\r\n');
  client.write(bytes);
  const reply = await client.readLine();
  const isNoLine = expected.verdict === 'malformed' && expected.isNoLine === true;
  assertReply(bed, bytes, expected, reply);
  // The first of a kind is on record before it is told; those that are joined to it are not yet.
  const [record, ...others] = await bed.takeDecisions(1);
  assertRecord(bytes, expected, record);
  assert.deepEqual(others, []);
  if (!isNoLine) {
    await assertServes(bed, client, record?.connection);
  }
  client.close();
}

async function assertServes(
  bed: AttackBed,
  client: LineClient,
  connection: string | undefined,
): Promise<void> {
  const signature = await client.ask(GOOD_LINE);
  assert.ok(isSigned(bed, Buffer.from(GOOD_LINE), signature), 'the next request is signed');
  const records = await bed.takeDecisions(0);
  assert.equal(records.length, 1);
  assert.equal(records[0]?.connection, connection);
  assert.equal(records[0]?.verdict, 'signed');
  assert.equal(records[0].sha256, hashOf(GOOD_LINE));
}

/**
 * Without `!errors`: the connection closes, and a good request behind the attack is not signed
 * either.
 */
export async function attackBlindly(
  bed: AttackBed,
  { bytes }: Attack,
  expected: Expected,
): Promise<void> {
  const sent = Buffer.concat([bytes, Buffer.from(`${GOOD_LINE}\r\n`)]);
  // Only whom nothing is refused has to end the conversation.
  const end = expected.verdict === 'signed' ? 'end' : 'write';
  const received = await converse(bed.daemon.socket, sent, end);
  const [greeting, jwk, ...replies] = received.split('\r\n');
  assert.match(greeting ?? '', /^1 OK \{/);
  assert.match(jwk ?? '', /^\{.*\}$/);
  const line = bytes.subarray(0, -2);
  if (expected.verdict === 'signed') {
    assert.ok(isSigned(bed, line, replies[0]));
    assert.ok(isSigned(bed, Buffer.from(GOOD_LINE), replies[1]));
    assert.deepEqual(replies.slice(2), ['']);
    // They are signed at the same time, and may be on record in either order.
    const records = await bed.takeDecisions(2);
    const isGood = ({ sha256 }: AuditRecord): boolean => sha256 === hashOf(GOOD_LINE);
    assert.equal(records.length, 2);
    assert.ok(records.some(isGood));
    assertRecord(
      bytes,
      expected,
      records.find((each) => !isGood(each)),
    );
    return;
  }
  assert.deepEqual(replies, [''], 'not a byte after the greeting');
  const [record, ...others] = await bed.takeDecisions(1);
  assertRecord(bytes, expected, record);
  assert.deepEqual(others, []);
}

/**
 * By many connections at once: one record tells the first, and one all the others, whoever they
 * were.
 */
export async function attackTogether(
  bed: AttackBed,
  { bytes }: Attack,
  expected: Expected,
  connections: number,
): Promise<void> {
  await bed.takeDecisions(0);
  bed.daemon.process.signal('SIGHUP'); // nothing to be joined to is left
  await Promise.all(
    Array.from({ length: connections }, () => converse(bed.daemon.socket, bytes, 'write')),
  );
  const records = await bed.takeDecisions(connections);
  const joined = records.filter(({ count }) => count !== undefined);
  const alone = records.length - joined.length;
  // the signal may have come after the first
  assert.ok(alone === 1 || alone === 2, `${alone} by themselves`);
  assert.ok(joined.length < connections / 2, `${joined.length} records`);
  const hash = Buffer.from(hashOf(bytes.subarray(0, -2)), 'hex');
  for (const record of joined.filter(({ count = 1 }) => count > 1)) {
    const { verdict, connection, count = 1 } = record;
    assert.equal(verdict, expected.verdict);
    assert.equal(connection, undefined, 'it is of several');
    const hashes = Buffer.concat(Array.from({ length: count }, () => hash));
    assert.equal(record['inputs-sha256'], hashOf(hashes));
  }
}

/** All that the daemon says, to the end of the connection. */
function converse(path: string, sent: Buffer, how: 'end' | 'write'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the daemon did not close: ${received}`));
    }, TIMEOUT_MS);
    let received = '';
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
    });
    const onEnd = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    socket.on('end', onEnd).on('error', onEnd);
    socket[how](sent);
  });
}

function assertReply(
  bed: AttackBed,
  bytes: Buffer,
  expected: Expected,
  reply: string | undefined,
): void {
  if (expected.verdict === 'signed') {
    assert.ok(isSigned(bed, bytes.subarray(0, -2), reply), `signed, not ${reply ?? 'closed'}`);
    return;
  }
  if (expected.verdict === 'malformed' && expected.isNoLine === true) {
    assert.equal(reply, undefined);
    return;
  }
  assert.ok(reply?.startsWith('!error ') === true, `refused, not ${reply ?? 'closed'}`);
  const { detail, ...rest } = parseObject(reply.slice('!error '.length));
  assert.match(String(detail), expected.reason);
  assert.deepEqual(rest, refusalOf(expected));
}

function refusalOf(expected: Expected): Record<string, unknown> {
  if (expected.verdict !== 'denied') {
    return { code: expected.verdict };
  }
  const { rule, operation } = expected;
  const [policy, ...setting] = rule.split('.');
  return {
    ...{ code: 'denied', rule },
    ...(setting.length === 0 ? {} : { policy }),
    ...(operation === undefined ? {} : { operation }),
  };
}

/** The record says what was decided, and why. */
function assertRecord(bytes: Buffer, expected: Expected, record: AuditRecord | undefined): void {
  assert.ok(record !== undefined);
  assert.equal(record.verdict, expected.verdict, record.reason);
  assert.equal(record.account, 'default');
  assert.equal(record.listener, 'S');
  assert.match(record.connection ?? '', /^\d+$/);
  switch (expected.verdict) {
    case 'signed':
      assert.equal(record.operation, expected.operation);
      assert.equal(record.sha256, hashOf(bytes.subarray(0, -2)));
      break;
    case 'denied':
      assert.equal(record.rule, expected.rule);
      assert.equal(record.code, 'denied');
      assert.equal(record.operation, expected.operation);
      assert.match(record.reason ?? '', expected.reason);
      assert.equal(typeof record.url, 'string');
      assert.equal(record.unread !== 'payload', expected.isRead);
      assert.equal(record.sha256, hashOf(bytes.subarray(0, -2)));
      break;
    case 'malformed':
      assert.equal(record.code, 'malformed');
      assert.match(record.reason ?? '', expected.reason);
      break;
  }
}

function isSigned({ key }: AttackBed, line: Buffer, reply: string | undefined): boolean {
  const input = line.toString('latin1');
  const isOne = reply !== undefined && /^[\w-]{86}$/.test(reply);
  return isOne && isSignatureOf('ES256', { ...jwkOfKey(key.publicKey) }, input, reply);
}

export function hashOf(line: string | Uint8Array): string {
  return createHash('sha256').update(line).digest('hex');
}

function parseObject(text: string): Record<string, unknown> {
  const value: unknown = JSON.parse(text);
  assert.ok(typeof value === 'object' && value !== null);
  return { ...value };
}
