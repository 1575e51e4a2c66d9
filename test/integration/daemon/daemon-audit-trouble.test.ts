// The daemon when its audit log is removed, cannot be made anew, or cannot be opened anew after a
// rotation; and when the file of its budgets is. It runs as a user who is not root, whom
// permissions stop.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseJournal } from '../../../src/budgets/journal-lines.js';
import {
  connectAskingClient,
  hashOf,
  type AskingClient,
} from '../../support/daemon/asking-client.js';
import { readRecords } from '../../support/audit/audit-chain.js';
import {
  makeSectionBed,
  orderFor,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import { mustRun, startProcess, type RunningProcess } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';

const NOBODY = 65_534;
const AS_NOBODY = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
const MAX_LOOKS = 2_000;
const LIMIT = 4;

const SETTINGS = `
privkey = "file:@/account.pem"
socket = "@/S"
state-directory = "@/state"
audit-log = "@/log/audit.jsonl"
default-policy = "web"

[policy.web]
operations = ["new-order", "read"]
identifiers = ["www.example.org"]
budgets = ["${LIMIT} new-order per 1d"]
`;

const AUDIT_REFUSAL = '!error {"code":"internal","detail":"the signer cannot write its audit log"}';
const BUDGET_REFUSAL = '!error {"code":"internal","detail":"the signer cannot keep its budgets"}';

interface Fixture {
  readonly bed: SectionBed;
  readonly daemon: RunningProcess;
  readonly client: AskingClient;
  readonly log: string;
  readonly logFolder: string;
}

/** All of the bed is the user's, who has no right beyond that. */
async function start(scope: Scope): Promise<Fixture> {
  assert.equal(process.geteuid?.(), 0, 'only root may run the daemon as somebody else');
  const bed = await makeSectionBed(scope, SETTINGS);
  const logFolder = bed.path('log');
  for (const name of ['log', 'state']) {
    mkdirSync(bed.path(name), { mode: 0o700 });
  }
  for (const name of ['.', 'log', 'state', 'account.pem', 'clavigerd.toml']) {
    chownSync(bed.path(name), NOBODY, NOBODY);
  }
  const daemon = await startProcess(scope, {
    command: 'setpriv',
    args: [...AS_NOBODY, process.execPath, CLAVIGERD, `--config=${bed.config}`],
    waitFor: { socket: bed.path('S') },
  });
  const client = await connectAskingClient(scope, bed.path('S'), bed.key.privateKey);
  return { bed, daemon, client, log: bed.path('log/audit.jsonl'), logFolder };
}

/** As the daemon's user: root does not trust that user's files. */
async function verify(bed: SectionBed): Promise<string> {
  return await mustRun('setpriv', [
    ...AS_NOBODY,
    ...[process.execPath, CLAVIGERD, 'audit', 'verify', `--config=${bed.config}`],
  ]);
}

/** How many counts the file of the budgets holds. */
function countsOf(bed: SectionBed): number {
  const { logs } = parseJournal(readFileSync(bed.path('state/budgets.jsonl')));
  return logs.flatMap(({ times }) => times).length;
}

/** Waits for so many lines of the daemon's log that match. */
async function waitForLog({ bed }: Fixture, pattern: RegExp, count = 1): Promise<void> {
  for (let looks = 0; ; looks += 1) {
    const found = readFileSync(bed.logfile, 'utf8').match(new RegExp(pattern, 'g'))?.length ?? 0;
    if (found >= count) {
      return;
    }
    assert.ok(looks < MAX_LOOKS, `waited in vain for ${pattern.source}`);
    await sleep(10);
  }
}

const order = orderFor('www.example.org');

describe('an audit log that is removed while the daemon runs', () => {
  it('costs one signature, and the new one tells what is gone', async (t) => {
    const { bed, client, log } = await start(t);
    assert.equal((await client.ask()).outcome, 'signed');
    rmSync(log);
    assert.equal((await client.ask()).reply, AUDIT_REFUSAL);
    const after = await client.ask();
    assert.equal(after.outcome, 'signed');
    const records = readRecords(log);
    // Record 1 was the start, 2 the signature: they are gone with the file.
    assert.deepEqual(
      records.map(({ seq, event, verdict, reason }) => [seq, event, verdict, reason]),
      [
        [3, 'gap', undefined, 'the file was removed; it ended with record 2'],
        [4, 'gap', undefined, '1 record could not be written: the file was removed'],
        [5, 'decision', 'failed', 'audit log: the file was removed'],
        [6, 'decision', 'signed', undefined],
      ],
    );
    assert.equal(records.at(-1)?.sha256, hashOf(after));
    assert.match(await verify(bed), /^records 3 to 6, in one file: the chain holds$/m);
  });

  it('lets nothing be signed while it cannot be made anew', async (t) => {
    const { bed, client, log, logFolder } = await start(t);
    assert.equal((await client.ask()).outcome, 'signed');
    rmSync(log);
    chmodSync(logFolder, 0o500);
    for (let count = 0; count < 5; count += 1) {
      assert.equal((await client.ask()).reply, AUDIT_REFUSAL);
    }
    assert.equal(existsSync(log), false);
    // Nor in a folder in which others could replace it.
    chmodSync(logFolder, 0o777);
    assert.equal((await client.ask()).reply, AUDIT_REFUSAL);
    assert.equal(existsSync(log), false);
    chmodSync(logFolder, 0o700);
    assert.equal((await client.ask()).outcome, 'signed');
    assert.match(await verify(bed), /7 records could not be written: the file was removed/);
  });

  it('in a folder that is gone lets nothing be signed until that is back', async (t) => {
    const { client, log, logFolder } = await start(t);
    rmSync(logFolder, { recursive: true });
    assert.equal((await client.ask()).reply, AUDIT_REFUSAL);
    assert.equal((await client.ask()).reply, AUDIT_REFUSAL);
    mkdirSync(logFolder, { mode: 0o700 });
    chownSync(logFolder, NOBODY, NOBODY);
    assert.equal((await client.ask()).outcome, 'signed');
    assert.equal(readRecords(log).at(-1)?.verdict, 'signed');
  });
});

describe('SIGHUP with a path that cannot be used', () => {
  const UNUSABLE: Readonly<Record<string, [(path: string) => void, RegExp]>> = {
    'a directory': [
      (path) => {
        mkdirSync(path);
      },
      /EISDIR/,
    ],
    'a symbolic link': [
      (path) => {
        symlinkSync('elsewhere', path);
      },
      /ELOOP/,
    ],
    'a FIFO': [
      (path) => {
        execFileSync('mkfifo', ['-m', '666', path]);
      },
      /is not a regular file/,
    ],
    'a file that others can write': [
      (path) => {
        writeFileSync(path, '');
        chmodSync(path, 0o666);
      },
      /others can write/,
    ],
    "somebody else's file": [
      (path) => {
        writeFileSync(path, '');
        chownSync(path, 1, 1);
        chmodSync(path, 0o600);
      },
      /EACCES/,
    ],
  };

  it('goes on in the old file, says so, and takes the new one when there is one', async (t) => {
    const fixture = await start(t);
    const { bed, daemon, client, log } = fixture;
    const moved = `${log}.1`;
    renameSync(log, moved);
    let signatures = 0;
    for (const [what, [make, problem]] of Object.entries(UNUSABLE)) {
      make(log);
      daemon.signal('SIGHUP');
      const said = `audit log: .*(${problem.source}).*; the file that was open stays in use`;
      await waitForLog(fixture, new RegExp(said));
      assert.equal((await client.ask()).outcome, 'signed', what);
      signatures += 1;
      assert.equal(readRecords(moved).length, 1 + signatures, what);
      rmSync(log, { recursive: true });
    }
    chmodSync(fixture.logFolder, 0o500);
    daemon.signal('SIGHUP');
    await waitForLog(fixture, /audit log: EACCES.*; the file that was open stays in use/, 2);
    chmodSync(fixture.logFolder, 0o700);
    daemon.signal('SIGHUP');
    for (let looks = 0; !existsSync(log); looks += 1) {
      assert.ok(looks < MAX_LOOKS, 'no new file');
      await sleep(10);
    }
    assert.equal((await client.ask()).outcome, 'signed');
    assert.deepEqual(
      readRecords(log).map(({ verdict }) => verdict),
      ['signed'],
    );
    assert.match(await verify(bed), /^records 1 to 7, in 2 files: the chain holds$/m);
  });
});

describe('SIGHUP while the daemon starts', () => {
  it('does not end it', async (t) => {
    const bed = await makeSectionBed(t, SETTINGS);
    for (const name of ['log', 'state']) {
      mkdirSync(bed.path(name), { mode: 0o700 });
    }
    // Holds the daemon up after it has opened its audit log, and in the end stops it.
    const script = 'echo held && exec sleep 60';
    await startProcess(t, {
      command: 'flock',
      args: ['--no-fork', bed.path('state/budgets.lock'), 'sh', '-c', script],
      waitFor: /^held$/m,
    });
    const daemon = await startInBed(t, bed, {});
    for (let looks = 0; !existsSync(bed.path('log/audit.jsonl')); looks += 1) {
      assert.ok(looks < MAX_LOOKS, daemon.output);
      await sleep(1);
    }
    daemon.signal('SIGHUP');
    assert.deepEqual(await daemon.waitForExit(), { code: 1, signal: null }, daemon.output);
    assert.match(daemon.stderr, /another process keeps its budgets here/);
  });
});

describe('the file of the budgets', () => {
  it('when removed from a folder that cannot be written lets nothing be signed', async (t) => {
    const { bed, client } = await start(t);
    const state = bed.path('state');
    assert.equal((await client.ask(order)).outcome, 'signed');
    rmSync(bed.path('state/budgets.jsonl'));
    chmodSync(state, 0o500);
    for (let count = 0; count < 3; count += 1) {
      assert.equal((await client.ask(order)).reply, BUDGET_REFUSAL);
    }
    assert.equal((await client.ask()).outcome, 'signed', 'a read');
    chmodSync(state, 0o700);
    const outcomes = [];
    for (let count = 0; count < LIMIT; count += 1) {
      outcomes.push((await client.ask(order)).outcome);
    }
    // The one that was signed before is remembered, though its file is gone.
    assert.deepEqual(outcomes, [...Array<string>(LIMIT - 1).fill('signed'), 'rate-limited']);
    assert.equal(countsOf(bed), LIMIT);
  });

  it('when removed is made anew with all that was counted', async (t) => {
    const { bed, daemon, client } = await start(t);
    assert.equal((await client.ask(order)).outcome, 'signed');
    assert.equal((await client.ask(order)).outcome, 'signed');
    rmSync(bed.path('state/budgets.jsonl'));
    assert.equal((await client.ask(order)).outcome, 'signed');
    daemon.signal('SIGKILL');
    await daemon.exited;
    assert.equal(countsOf(bed), 3);
  });
});
