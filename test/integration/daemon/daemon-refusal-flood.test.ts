// The live daemon when clients are refused as often as they can ask, over ever new connections:
// what it writes of that, that every refusal is counted, and that a client of the same listener
// still gets its signatures.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { connectAskingClient, makeInput } from '../../support/daemon/asking-client.js';
import { readRecords, verifyFiles } from '../../support/audit/audit-chain.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { makeSectionBed, orderFor, startInBed } from '../../support/daemon/daemon-sections.js';

const FLOOD_MS = 4000;
const FLOODERS = 8;
const SIGNATURES = 20;
/** Of records, and of lines of the log beside them. */
const MAX_BYTES_PER_SECOND = 64 * 1000;

const POLICY = `
default-policy = "web"

[policy.web]
operations = ["new-order", "read"]
identifiers = ["*.example.org"]
budgets = ["1 new-order per 1d"]
`;

/**
 * Connects again and again, and asks for what is refused, until a time. @returns how often it was
 * told so.
 */
async function flood(socket: string, until: number, next: () => string): Promise<number> {
  let told = 0;
  while (Date.now() < until) {
    told += await floodOnce(socket, next);
  }
  return told;
}

/** Four requests on a connection, then away. */
function floodOnce(path: string, next: () => string): Promise<number> {
  return new Promise((resolve) => {
    const client = connect(path);
    let received = '';
    client.setTimeout(10_000, () => client.destroy());
    client.on('error', () => undefined);
    client.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      if ((received.match(/!error/g)?.length ?? 0) >= 4) {
        client.destroy();
      }
    });
    client.on('close', () => {
      resolve(received.match(/!error/g)?.length ?? 0);
    });
    client.write(`!errors\r\n${next()}\r\n${next()}\r\n${next()}\r\n${next()}\r\n`);
  });
}

let asked = 0;

/** Denied in several ways, with ever new names; malformed; over the budget. */
function nextRequest(): string {
  asked += 1;
  const names = Array.from({ length: 20 }, (_, at) => `host-${asked}-${at}.example.net`);
  const requests = [
    () => makeInput(orderFor(...names)),
    () => makeInput({ payload: { revoke: 1 } }),
    () => `nonsense ${asked}`,
    () => makeInput(orderFor('www.example.org')),
    () => makeInput({ payload: { status: 'deactivated' } }),
  ];
  return requests[asked % requests.length]?.() ?? '';
}

for (const hasAuditLog of [true, false]) {
  describe(`a flood of refusals, ${hasAuditLog ? 'with' : 'without'} an audit log`, () => {
    it('writes little, counts all, and delays no signature', async (t) => {
      const auditLog = hasAuditLog ? 'audit-log = "@/log/audit.jsonl"' : '';
      const bed = await makeSectionBed(
        t,
        `privkey = "file:@/account.pem"
        socket = "@/S"
        state-directory = "@/state"
        ${auditLog}
        quiet = true
        ${POLICY}`,
      );
      mkdirSync(bed.path('log'), { mode: 0o700 });
      const socket = bed.path('S');
      const daemon = await startInBed(t, bed, { waitFor: { socket } });
      const honest = await connectAskingClient(t, socket, bed.key.privateKey);
      assert.equal((await honest.ask(orderFor('www.example.org'))).outcome, 'signed');
      const started = Date.now();
      const until = started + FLOOD_MS;
      const floods = Array.from({ length: FLOODERS }, () => flood(socket, until, nextRequest));
      for (let count = 0; count < SIGNATURES; count += 1) {
        assert.equal((await honest.ask()).outcome, 'signed');
      }
      const hasSignedMeanwhile = Date.now() < until;
      const told = (await Promise.all(floods)).reduce((sum, count) => sum + count, 0);
      const seconds = (Date.now() - started) / 1000;
      await daemon.stop();
      assert.ok(hasSignedMeanwhile, 'signatures wait for no refusal');
      assert.ok(told > 500, `${told} refusals`);
      const refusals = readFileSync(bed.logfile, 'utf8')
        .split('\n')
        .filter((line) => / (refused|failed|cancelled) /.test(line));
      const logged = refusals.reduce(
        (sum, line) => sum + Number(/ count=(\d+)/.exec(line)?.[1] ?? 1),
        0,
      );
      assert.ok(logged >= told, `${logged} of ${told} logged`);
      assert.ok(refusals.join('\n').length <= MAX_BYTES_PER_SECOND * seconds);
      if (hasAuditLog) {
        const log = bed.path('log/audit.jsonl');
        const records = readRecords(log).filter(({ verdict }) => verdict !== 'signed');
        const counted = records.reduce(
          (sum, { event, count = 1 }) => sum + (event === 'decision' ? count : 0),
          0,
        );
        assert.ok(counted >= told, `${counted} of ${told} on record`);
        assert.ok(
          statSync(log).size <= MAX_BYTES_PER_SECOND * seconds,
          `${statSync(log).size} bytes`,
        );
        assert.deepEqual(verifyFiles([log]).findings, []);
        const summary = await runClavigerd(['audit', 'summary', log]);
        assert.match(summary.stdout, /new-order +\(several\) +denied +\d{2,}/);
      }
    });
  });
}
