// The daemon when the disk of its audit log, or of its budgets, is full: nothing is signed that
// could not be written down, clients are told, and once there is room it signs again, without a
// restart.

import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connectAskingClient,
  hashOf,
  makeInput,
  type Answer,
  type AskingClient,
} from '../../support/daemon/asking-client.js';
import { readRecords, verifyFiles } from '../../support/audit/audit-chain.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { orderFor } from '../../support/daemon/daemon-sections.js';
import { connectLineClient } from '../../support/daemon/line-client.js';
import { startOnSmallDisk, type SmallDiskDaemon } from '../../support/daemon/small-disk-daemon.js';
import type { Scope } from '../../support/scope.js';

const MAX_TRIES = 1000;
const REFUSED_WHILE_FULL = 10;

const UNRECORDED = '!error {"code":"internal","detail":"the signer cannot record refusals now"}';

const POLICY = `
[policy.web]
operations = ["new-order", "read"]
identifiers = ["*.example.org"]
`;

function connectTo(scope: Scope, { bed }: SmallDiskDaemon): Promise<AskingClient> {
  return connectAskingClient(scope, bed.path('S'), bed.key.privateKey);
}

/** Asks until there is no signature: files have room left in their last page. */
async function askUntilRefused({ ask }: AskingClient): Promise<Answer[]> {
  const answers: Answer[] = [];
  do {
    answers.push(await ask(orderFor('www.example.org')));
    assert.ok(answers.length < MAX_TRIES, 'the disk is not full');
  } while (answers.at(-1)?.outcome === 'signed');
  return answers;
}

/**
 * Asks until the disk is full, and then some more: each of these is told the same, and nothing
 * else.
 */
async function askWhileFull(
  client: AskingClient,
  detail: string,
): Promise<{ readonly filling: readonly Answer[]; readonly refused: readonly Answer[] }> {
  const filling = await askUntilRefused(client);
  const refused = [...filling.slice(-1), ...(await askTimes(client, REFUSED_WHILE_FULL))];
  for (const { reply } of refused) {
    assert.equal(reply, `!error {"code":"internal","detail":"${detail}"}`);
  }
  return { filling, refused };
}

async function askTimes({ ask }: AskingClient, times: number): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let count = 0; count < times; count += 1) {
    answers.push(await ask(orderFor('www.example.org')));
  }
  return answers;
}

function hashesOf(answers: readonly Answer[]): string[] {
  return answers.filter(({ outcome }) => outcome === 'signed').map(hashOf);
}

function hashesOnRecord(path: string): (string | undefined)[] {
  return readRecords(path).flatMap(({ verdict, sha256 }) => (verdict === 'signed' ? [sha256] : []));
}

describe('a full disk of the audit log', () => {
  for (const isDurable of [false, true]) {
    it(`lets no signature out until there is room (audit-durable = ${isDurable})`, async (t) => {
      const daemon = await startOnSmallDisk(
        t,
        `privkey = "file:@/account.pem"
        socket = "@/S"
        state-directory = "@/state"
        audit-log = "@/disk/audit.jsonl"
        audit-durable = ${isDurable}
        audit-reserve = 0
        default-policy = "web"
        ${POLICY}`,
      );
      const log = daemon.onDisk('audit.jsonl');
      const client = await connectTo(t, daemon);
      const before = await askTimes(client, 5);
      daemon.fill();
      const { filling, refused } = await askWhileFull(
        client,
        'the signer cannot write its audit log',
      );
      // A verdict that is not on record is not told, and a client without the extension is cut off.
      const unrecorded = await client.ask(orderFor('www.example.net'));
      assert.equal(unrecorded.reply, UNRECORDED);
      const plain = await connectLineClient(daemon.bed.path('S'));
      await plain.readGreeting();
      assert.equal(await plain.ask(makeInput()), undefined);
      plain.close();
      assert.deepEqual(hashesOnRecord(log), hashesOf([...before, ...filling]));
      assert.deepEqual(verifyFiles([log]).findings, []);

      daemon.makeRoom();
      const after = await askTimes(client, 3);
      assert.deepEqual(
        after.map(({ outcome }) => outcome),
        ['signed', 'signed', 'signed'],
      );
      const answers = [...before, ...filling, ...refused, ...after];
      assert.deepEqual(hashesOnRecord(log), hashesOf(answers));
      const gaps = readRecords(log).filter(({ event }) => event === 'gap');
      // The signature that was withheld and its failure, one for each refused later, the two
      // others.
      const lost = 2 + REFUSED_WHILE_FULL + 2;
      assert.deepEqual(
        gaps.map(({ reason }) => reason),
        [`${lost} records could not be written: ENOSPC: no space left on device, write`],
      );
      const verified = await runClavigerd(['audit', 'verify', log]);
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      assert.match(verified.stdout, /: note: .*records could not be written: ENOSPC/);
      await daemon.process.stop();
      const told = readFileSync(daemon.bed.logfile, 'utf8');
      assert.equal(told.match(/ signed conn=/g)?.length, hashesOf(answers).length);
      assert.equal(told.match(/nothing is signed until it can be written/g)?.length, 1);
      assert.equal(told.match(/it can be written again/g)?.length, 1);
    });
  }
});

describe('a full disk of the budgets', () => {
  const LIMIT = 100;

  it('lets nothing be signed that they count, and what they do not count is signed', async (t) => {
    const daemon = await startOnSmallDisk(
      t,
      `privkey = "file:@/account.pem"
      socket = "@/S"
      state-directory = "@/disk/state"
      audit-log = "@/audit.jsonl"
      default-policy = "web"
      ${POLICY}budgets = ["${LIMIT} new-order per 1d"]`,
    );
    const client = await connectTo(t, daemon);
    const before = await askTimes(client, 5);
    daemon.fill();
    const { filling, refused } = await askWhileFull(client, 'the signer cannot keep its budgets');
    assert.equal((await client.ask()).outcome, 'signed', 'a read');
    daemon.makeRoom();
    const after = await askTimes(client, LIMIT);
    const answers = [...before, ...filling, ...after];
    assert.equal(hashesOf(answers).length, LIMIT, 'what was refused was not counted');
    assert.equal(after.at(0)?.outcome, 'signed');
    assert.equal(after.at(-1)?.outcome, 'rate-limited');
    await daemon.process.stop();
    const failed = readRecords(daemon.bed.path('audit.jsonl')).filter(
      ({ verdict }) => verdict === 'failed',
    );
    const count = failed.reduce((sum, record) => sum + (record.count ?? 1), 0);
    assert.equal(count, refused.length);
    assert.equal(failed[0]?.code, 'SIGNER_BUDGET');
    assert.match(failed[0].reason ?? '', /^budget: ENOSPC/);
  });
});

describe('a disk with little more room than is kept for signatures', () => {
  it('takes no refusals any more, tells no verdict, and goes on with signatures', async (t) => {
    const daemon = await startOnSmallDisk(
      t,
      `privkey = "file:@/account.pem"
      socket = "@/S"
      state-directory = "@/state"
      audit-log = "@/disk/audit.jsonl"
      default-policy = "web"
      ${POLICY}`,
    );
    const log = daemon.onDisk('audit.jsonl');
    const client = await connectTo(t, daemon);
    const foreign = orderFor('www.example.net');
    assert.equal((await client.ask(foreign)).outcome, 'denied');
    daemon.fillTo(24 * 1024); // less than a tenth of 256 KiB
    await sleep(300);
    for (let count = 0; count < 20; count += 1) {
      assert.equal((await client.ask(foreign)).reply, UNRECORDED);
    }
    const size = statSync(log).size;
    const signed = await askTimes(client, 10);
    assert.deepEqual(new Set(signed.map(({ outcome }) => outcome)), new Set(['signed']));
    assert.ok(statSync(log).size > size);
    daemon.makeRoom();
    await sleep(300);
    assert.equal((await client.ask(orderFor('mail.example.net'))).outcome, 'denied');
    daemon.process.signal('SIGHUP'); // has what is joined written
    const last = { denied: 0 };
    for (let looks = 0; last.denied < 2; looks += 1) {
      assert.ok(looks < MAX_TRIES, daemon.process.output);
      await sleep(10);
      last.denied = readRecords(log).filter(({ verdict }) => verdict === 'denied').length;
    }
    const records = readRecords(log);
    const denied = records.filter(({ verdict }) => verdict === 'denied');
    assert.equal(
      denied.reduce((sum, record) => sum + (record.count ?? 1), 0),
      2,
    );
    assert.deepEqual(
      records.flatMap(({ event, reason }) => (event === 'gap' ? [reason] : [])),
      [
        '20 records could not be written: what is free on the disk is kept for signatures (audit-reserve)',
      ],
    );
    const told = readFileSync(daemon.bed.logfile, 'utf8');
    assert.equal(told.match(/refusals are neither recorded nor told/g)?.length, 1);
  });
});
