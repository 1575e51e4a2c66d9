// The audit log of the living daemon, rotated by logrotate with the configuration that is shipped,
// while clients sign. systemd is not asked: it is told apart by `systemctl`, a stand-in of which
// signals the daemon.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readRecords } from '../../support/audit/audit-chain.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { askOnce, makeSectionBed, startInBed } from '../../support/daemon/daemon-sections.js';
import { mustRun } from '../../support/process.js';
import { ROOT } from '../../support/programs.js';

const SHIPPED = join(ROOT, 'docs/examples/logrotate.d-clavigerd');
const SHIPPED_LOG = '/var/log/claviger/audit.jsonl';
const WAIT_MS = 20_000;

const SETTINGS = `privkey = "file:@/account.pem"
socket = "@/S"
audit-log = "@/log/audit.jsonl"
state-directory = "@/state"
`;

/** Stands in for systemd, of which no service manager runs here. */
function systemctl(pid: number): string {
  return `#!/bin/sh
case "$*" in
"--quiet is-active clavigerd.service") kill -0 ${pid} ;;
"kill --kill-whom=main --signal=HUP clavigerd.service") kill -HUP ${pid} ;;
*) echo "systemctl $*: unexpected" >&2; exit 1 ;;
esac
`;
}

describe('logrotate on the living daemon', () => {
  it('rotates and compresses the audit log while clients sign; the chain holds', async (t) => {
    const bed = await makeSectionBed(t, SETTINGS);
    await mkdir(bed.path('log'), { mode: 0o700 });
    await mkdir(bed.path('bin'));
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('S') } });
    writeFileSync(bed.path('bin/systemctl'), systemctl(daemon.pid), { mode: 0o755 });
    const log = bed.path('log/audit.jsonl');
    const shipped = readFileSync(SHIPPED, 'utf8');
    assert.ok(shipped.includes(`${SHIPPED_LOG} {`));
    const config = bed.path('logrotate.conf');
    writeFileSync(config, shipped.replace(SHIPPED_LOG, log), { mode: 0o600 });

    let isBusy = true;
    let signed = 0;
    const client = async (): Promise<void> => {
      while (isBusy) {
        assert.equal(await askOnce(t, bed.path('S')), 'signed');
        signed += 1;
      }
    };
    const clients = [client(), client()];
    const PATH = `${bed.path('bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    for (let round = 0; round < 3; round += 1) {
      const before = signed;
      await until(() => signed > before + 3);
      const status = bed.path('logrotate.status');
      await mustRun('logrotate', ['--force', '--state', status, config], { env: { PATH } });
      await until(() => existsSync(log));
    }
    const before = signed;
    await until(() => signed > before + 3);
    isBusy = false;
    await Promise.all(clients);

    assert.deepEqual(readdirSync(bed.path('log')).sort(), [
      'audit.jsonl',
      'audit.jsonl.1',
      'audit.jsonl.2.gz',
      'audit.jsonl.3.gz',
    ]);
    const verified = await runClavigerd(['audit', 'verify', `--config=${bed.config}`]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    // The start, and a record of each signature: none is lost between two files.
    assert.match(
      verified.stdout,
      new RegExp(`^records 1 to ${signed + 1}, in 4 files: the chain holds$`, 'm'),
    );
    assert.ok(readRecords(log).length > 3, 'the daemon writes to the new file');
  });
});

async function until(isDone: () => boolean): Promise<void> {
  const deadline = Date.now() + WAIT_MS;
  while (!isDone()) {
    assert.ok(Date.now() < deadline, 'it happens in time');
    await sleep(20);
  }
}
