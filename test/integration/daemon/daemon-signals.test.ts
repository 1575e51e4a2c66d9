// Signals that reach the daemon before it serves anybody: while it waits for a lock that another
// holds for a moment, with its audit log open already; and before it ends, when its audit log
// cannot be written any more.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { readRecords } from '../../support/audit/audit-chain.js';
import {
  makeSectionBed,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import { startProcess, type RunningProcess } from '../../support/process.js';

const SETTINGS = `
privkey = "file:@/account.pem"
socket = "@/S"
state-directory = "@/state"
audit-log = "@/audit.jsonl"
default-policy = "web"
[policy.web]
operations = ["read"]
budgets = ["5 read per 1h"]
`;

interface WaitingDaemon {
  readonly bed: SectionBed;
  readonly daemon: RunningProcess;
  /** Lets it go on. */
  readonly release: () => void;
}

/** A daemon that has begun its audit log, and cannot open its budgets yet. */
async function startWaiting(t: TestContext): Promise<WaitingDaemon> {
  const bed = await makeSectionBed(t, SETTINGS);
  mkdirSync(bed.path('state'), { mode: 0o700 });
  const holder = await startProcess(t, {
    command: 'bash',
    args: [
      '-c',
      'exec 9>>"$1"; flock -x 9; echo held; read -r _',
      '-',
      bed.path('state/budgets.lock'),
    ],
    stdin: true,
    waitFor: /held/,
  });
  const daemon = await startInBed(t, bed, {});
  await startProcess(t, {
    command: 'bash',
    args: [
      '-c',
      'until grep -qs start "$1"; do sleep 0.01; done; echo begun',
      '-',
      bed.path('audit.jsonl'),
    ],
    waitFor: /begun/,
  });
  return {
    bed,
    daemon,
    release: () => {
      holder.stdin.end('\n');
    },
  };
}

describe('a daemon that is starting', () => {
  it('does not end by SIGHUP', async (t) => {
    const { daemon, release } = await startWaiting(t);
    daemon.signal('SIGHUP');
    release();
    await daemon.waitFor(/ready /);
    daemon.signal('SIGTERM');
    assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null });
  });

  it('ends in order by SIGTERM', async (t) => {
    const { bed, daemon, release } = await startWaiting(t);
    daemon.signal('SIGTERM');
    release();
    assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null });
    const events = readRecords(bed.path('audit.jsonl')).map(({ event }) => event);
    assert.deepEqual(events, ['start', 'stop']);
  });
});

describe('a daemon that ends', () => {
  it('tells the head of its audit log, though it cannot record its end', async (t) => {
    const bed = await makeSectionBed(t, SETTINGS);
    const daemon = await startInBed(t, bed, { waitFor: { socket: bed.path('S') } });
    rmSync(bed.path('audit.jsonl'));
    mkdirSync(bed.path('audit.jsonl'));
    daemon.signal('SIGTERM');
    assert.equal((await daemon.waitForExit()).code, 1);
    assert.match(daemon.stderr, /^clavigerd: audit head=1:[0-9a-f]{64}$/m);
    assert.match(daemon.stderr, /^clavigerd: error: audit log: EISDIR/m);
    assert.ok(!existsSync(bed.path('S')));
  });
});
