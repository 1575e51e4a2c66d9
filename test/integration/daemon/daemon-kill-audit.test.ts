// The audit log of a daemon that is killed while clients are served: after every restart the chain
// holds, and every signature that a client has got has its record, with the hash of what was
// signed.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashOf, Load } from '../../support/daemon/asking-client.js';
import { readRecords } from '../../support/audit/audit-chain.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import {
  makeSectionBed,
  orderFor,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import type { RunningProcess } from '../../support/process.js';
import type { Scope } from '../../support/scope.js';

const KILLS = 25;
const CLIENTS = 6;
/** Answers of a life, at most; and the time from the last of them to the kill. */
const MAX_ANSWERS = 60;
const MAX_DELAY_MS = 3;

function settingsOf(isDurable: boolean): string {
  return `
privkey = "file:@/account.pem"
socket = "@/S"
state-directory = "@/state"
audit-log = "@/audit.jsonl"
audit-durable = ${isDurable}
`;
}

function start(scope: Scope, bed: SectionBed): Promise<RunningProcess> {
  const socket = bed.path('S');
  rmSync(socket, { force: true });
  return startInBed(scope, bed, { waitFor: { socket } });
}

/** The hashes of all signatures on record, after the chain was found good. */
async function signaturesOnRecord(bed: SectionBed): Promise<ReadonlySet<string | undefined>> {
  const { code, stdout, stderr } = await runClavigerd([
    'audit',
    'verify',
    `--config=${bed.config}`,
  ]);
  assert.equal(code, 0, stdout + stderr);
  // Half a record at the end is all that a kill may cost; whole ones may not have been noted.
  const notes = stdout.split('\n').filter((line) => line.includes(' note: '));
  assert.deepEqual(
    notes.filter(
      (line) => !/incomplete record of \d+ bytes removed$|the daemon, which was killed$/.test(line),
    ),
    [],
  );
  const records = readRecords(bed.path('audit.jsonl'));
  const signed = records.filter(({ verdict }) => verdict === 'signed');
  return new Set(signed.map(({ sha256 }) => sha256));
}

describe('the audit log of a daemon that is killed again and again', () => {
  for (const isDurable of [false, true]) {
    it(`has every signature, in a chain that holds (audit-durable = ${isDurable})`, async (t) => {
      const bed = await makeSectionBed(t, settingsOf(isDurable));
      const options = { socket: bed.path('S'), key: bed.key.privateKey, clients: CLIENTS };
      const received: string[] = [];
      let daemon = await start(t, bed);
      for (let kills = 1; kills <= KILLS; kills += 1) {
        const load = new Load(t, { ...options, next: () => orderFor(`host-${kills}.example.org`) });
        const enough = randomInt(MAX_ANSWERS + 1);
        await load.until(({ length }) => length >= enough);
        await sleep(Math.random() * MAX_DELAY_MS);
        daemon.signal('SIGKILL');
        await daemon.exited;
        for (const answer of await load.stop()) {
          assert.match(answer.outcome, /^(signed|closed)$/);
          received.push(...(answer.outcome === 'signed' ? [hashOf(answer)] : []));
        }
        daemon = await start(t, bed);
        const recorded = await signaturesOnRecord(bed);
        assert.deepEqual(
          received.filter((hash) => !recorded.has(hash)),
          [],
        );
      }
      await daemon.stop();
      const records = readRecords(bed.path('audit.jsonl'));
      assert.equal(records.filter(({ event }) => event === 'start').length, KILLS + 1);
      assert.ok(received.length > KILLS, `${received.length} signatures`);
    });
  }

  for (const isDurable of [false, true]) {
    it(`goes on after a kill between rename and SIGHUP (audit-durable = ${isDurable})`, async (t) => {
      const bed = await makeSectionBed(t, settingsOf(isDurable));
      const log = bed.path('audit.jsonl');
      const next = (): ReturnType<typeof orderFor> => orderFor('www.example.org');
      const options = { socket: bed.path('S'), key: bed.key.privateKey, clients: CLIENTS, next };
      for (let kills = 1; kills <= 5; kills += 1) {
        const daemon = await start(t, bed);
        const load = new Load(t, options);
        await load.until(({ length }) => length >= 10);
        renameSync(log, `${log}.${kills}`);
        await load.until(({ length }) => length >= 20);
        daemon.signal('SIGKILL');
        await daemon.exited;
        await load.stop();
      }
      await (await start(t, bed)).stop();
      const { code, stdout, stderr } = await runClavigerd([
        ...['audit', 'verify', `--config=${bed.config}`],
      ]);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /, in 6 files: the chain holds$/m);
    });
  }

  it('does not verify when a record of a signature is taken out', async (t) => {
    const bed = await makeSectionBed(t, settingsOf(false));
    const daemon = await start(t, bed);
    const next = (): ReturnType<typeof orderFor> => orderFor('www.example.org');
    const options = { socket: bed.path('S'), key: bed.key.privateKey, clients: 1, next };
    const load = new Load(t, options);
    await load.until(({ length }) => length >= 3);
    await load.stop();
    await daemon.stop();
    const lines = readFileSync(bed.path('audit.jsonl'), 'utf8').split('\n');
    writeFileSync(bed.path('audit.jsonl'), lines.toSpliced(2, 1).join('\n'));
    const { code, stdout } = await runClavigerd(['audit', 'verify', `--config=${bed.config}`]);
    assert.equal(code, 1);
    assert.match(stdout, /audit\.jsonl:3: removed: record 3 is missing before record 4/);
  });
});
