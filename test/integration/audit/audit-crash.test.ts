// The audit log when its process is killed at any moment, and when the disk is full.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { parseRecord } from '../../../src/audit/record-line.js';
import { readWholeLines, verifyLines } from '../../support/audit/audit-chain.js';
import { mustRun, startProcess } from '../../support/process.js';
import { makeTempDir } from '../../support/temp-dir.js';
import type { Scope } from '../../support/scope.js';

const WRITER = fileURLToPath(new URL('../../support/audit/audit-writer.js', import.meta.url));
const KILLS = 25;
const MAX_RUN_MS = 40;
/** Whole records that were written and not noted any more. */
const UNNOTED =
  /^record \d+: the signer noted: the file goes on with .*the daemon, which was killed$/;
const TORN = /incomplete record of \d+ bytes removed/;

async function makePlace(scope: Scope): Promise<{ directory: string; path: string }> {
  const directory = await makeTempDir(scope);
  await mkdir(join(directory, 'log'), { mode: 0o700 });
  return { directory, path: join(directory, 'log', 'audit.jsonl') };
}

describe('an audit log whose process is killed', () => {
  for (const durability of ['quick', 'durable']) {
    it(`has every record that was acknowledged, and a good chain (${durability})`, async (t) => {
      const { directory, path } = await makePlace(t);
      let acknowledged = 0;
      for (let round = 0; round < KILLS; round += 1) {
        const writer = await startProcess(t, {
          command: process.execPath,
          args: [WRITER, 'flood', directory, durability],
          waitFor: /^open\n.*\/.*\n/,
        });
        await sleep(Math.random() * MAX_RUN_MS);
        writer.signal('SIGKILL');
        await writer.exited;
        const lines = writer.stdout.split('\n').slice(1, -1);
        // The kernel may end a write between two pages: what is torn was not acknowledged, and the
        // next start removes it.
        const whole = readWholeLines(path);
        const written = new Set(whole.map((line) => parseRecord(line).connection));
        assert.deepEqual(
          lines.filter((line) => !written.has(line)),
          [],
        );
        const report = verifyLines({ [path]: whole.map(String) });
        assert.deepEqual(report.findings, []);
        assert.deepEqual(
          report.notes.filter(({ message }) => !TORN.test(message) && !UNNOTED.test(message)),
          [],
        );
        acknowledged += lines.length;
      }
      const starts = readWholeLines(path).filter((line) => parseRecord(line).event === 'start');
      assert.equal(starts.length, KILLS);
      assert.ok(acknowledged > KILLS, `${acknowledged} records`);
    });
  }
});

const report = v.object({
  records: v.number(),
  findings: v.array(v.unknown()),
  notes: v.array(v.object({ message: v.string() })),
});

/** What the writer prints. */
const seenOnFullDisk = v.object({
  acknowledged: v.array(v.string()),
  failureCode: v.string(),
  rejected: v.number(),
  recovery: v.string(),
  outage: v.string(),
  outageAfter: v.exactOptional(v.string()),
  troubles: v.array(v.string()),
  whileFull: report,
  afterwards: report,
});

/** Runs the writer where a tmpfs of 256 KiB is mounted for it alone. */
async function runOnSmallDisk(
  directory: string,
  durability: string,
): Promise<v.InferOutput<typeof seenOnFullDisk>> {
  assert.equal(process.geteuid?.(), 0, 'only root may mount the small disk this test fills');
  const script = `
    mount -t tmpfs -o size=256k,mode=0700 tmpfs "$2/disk"
    mkdir -m 0700 "$2/disk/log"
    exec "$0" "$1" full "$2/disk" "$3"`;
  const args = ['--mount', 'bash', '-ec', script, process.execPath, WRITER, directory, durability];
  return v.parse(seenOnFullDisk, JSON.parse(await mustRun('unshare', args)));
}

describe('an audit log on a full disk', () => {
  for (const durability of ['quick', 'durable']) {
    it(`refuses, recovers, and says how much was lost (${durability})`, async (t) => {
      const directory = await makeTempDir(t);
      await mkdir(join(directory, 'disk'));
      const seen = await runOnSmallDisk(directory, durability);
      assert.ok(seen.acknowledged.length > 100, `${seen.acknowledged.length} records`);
      assert.equal(seen.failureCode, 'AUDIT_WRITE');
      assert.equal(seen.rejected, 50);
      assert.equal(seen.recovery, 'AUDIT_WRITE');
      assert.match(seen.outage, /^audit log: ENOSPC/);
      assert.equal(seen.outageAfter, undefined);
      assert.deepEqual(seen.whileFull.findings, []);
      assert.equal(seen.whileFull.records, seen.acknowledged.length + 1);
      assert.deepEqual(seen.afterwards.findings, []);
      // The start, what was acknowledged, the gap, one record more, the stop.
      assert.equal(seen.afterwards.records, seen.acknowledged.length + 4);
      assert.match(
        seen.afterwards.notes.map(({ message }) => message).join(),
        /^record \d+: the signer noted: 51 records could not be written: ENOSPC[^,]*, write$/,
      );
      assert.match(seen.troubles[0] ?? '', /^error: audit log: ENOSPC.*; nothing is signed until/);
      assert.deepEqual(seen.troubles.slice(1), ['notice: audit log: it can be written again']);
    });
  }
});
