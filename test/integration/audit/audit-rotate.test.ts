// The audit log moved aside while the daemon writes it: by `clavigerd audit rotate`, by hand and
// SIGHUP, and by logrotate with the configuration that is shipped. No record is lost, no file
// replaced, and the chain goes on.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { linkSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { headPathOf } from '../../../src/audit/audit-head.js';
import { readHeadNote } from '../../../src/cli/audit/head-note.js';
import { rotateAuditLog } from '../../../src/cli/audit/rotate.js';
import { appErrorOf } from '../../support/app-error.js';
import {
  connectAskingClient,
  hashOf,
  Load,
  type Answer,
} from '../../support/daemon/asking-client.js';
import { headOf, lineAfter, makeChain, readRecords } from '../../support/audit/audit-chain.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import {
  makeSectionBed,
  startInBed,
  type SectionBed,
} from '../../support/daemon/daemon-sections.js';
import { mustRun, type CommandResult, type RunningProcess } from '../../support/process.js';
import { ROOT } from '../../support/programs.js';

const SHIPPED = join(ROOT, 'docs/examples/logrotate.d-clavigerd');
const MAX_LOOKS = 2_000;
const clock = { now: () => Date.parse('2026-11-22T01:33:39.999Z') };

interface Place {
  readonly bed: SectionBed;
  readonly folder: string;
  readonly log: string;
  readonly head: string;
  readonly audit: (...args: readonly string[]) => Promise<CommandResult>;
  readonly files: () => readonly string[];
}

async function makePlace(t: TestContext, isDurable = false): Promise<Place> {
  const bed = await makeSectionBed(
    t,
    `privkey = "file:@/account.pem"
    socket = "@/S"
    state-directory = "@/state"
    audit-log = "@/audit.jsonl"
    audit-durable = ${isDurable}
    `,
  );
  const { folder } = bed;
  const log = bed.path('audit.jsonl');
  return {
    bed,
    folder,
    log,
    head: headPathOf(bed.path('state'), log),
    audit: (...args) => runClavigerd(['audit', ...args, `--config=${bed.config}`]),
    files: () => readdirSync(folder).filter((name) => name.startsWith('audit.jsonl')),
  };
}

interface Writer {
  readonly process: RunningProcess;
  /** Asks for a signature, whose record is there when it resolves. */
  readonly write: () => Promise<Answer>;
}

async function startDaemon(t: TestContext, { bed }: Place): Promise<RunningProcess> {
  const socket = bed.path('S');
  rmSync(socket, { force: true });
  return await startInBed(t, bed, { waitFor: { socket } });
}

async function startWriter(t: TestContext, place: Place): Promise<Writer> {
  const process = await startDaemon(t, place);
  const { bed } = place;
  const { ask } = await connectAskingClient(t, bed.path('S'), bed.key.privateKey);
  const write = async (): Promise<Answer> => {
    const answer = await ask();
    assert.equal(answer.outcome, 'signed');
    return answer;
  };
  return { process, write };
}

/** The hashes of the signatures on record, in all files. */
function hashesOnRecord({ folder, files }: Place): string[] {
  return files()
    .flatMap((name) => readRecords(join(folder, name)))
    .toSorted((one, other) => one.seq - other.seq)
    .flatMap(({ sha256 }) => sha256 ?? []);
}

describe('clavigerd audit rotate', () => {
  it('has the daemon go on in a new file, and loses no record', async (t) => {
    const place = await makePlace(t);
    const writer = await startWriter(t, place);
    const answers: Answer[] = [];
    for (let round = 0; round < 3; round += 1) {
      answers.push(await writer.write());
      const { code, stdout, stderr } = await place.audit('rotate');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /audit\.jsonl\.\d{8}T\d{6}Z(-\d+)?: .*has begun a new log/);
      assert.ok(stdout.includes(`process ${writer.process.pid}`), stdout);
      answers.push(await writer.write());
    }
    assert.equal(place.files().length, 4);
    assert.deepEqual(hashesOnRecord(place), answers.map(hashOf));
    const verified = await place.audit('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /^records 1 to 7, in 4 files: the chain holds$/m);
  });

  it('moves the log when no daemon runs, and the next one continues the chain', async (t) => {
    const place = await makePlace(t);
    const first = await startWriter(t, place);
    await first.write();
    await first.process.stop('SIGKILL');
    const { code, stdout, stderr } = await place.audit('rotate');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /no daemon has it open/);
    assert.equal(existsSync(place.log), false);
    const second = await startWriter(t, place);
    await second.write();
    const verified = await place.audit('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /in 2 files: the chain holds/);
  });

  it('tells what is not chained in the file that it moves', async (t) => {
    const place = await makePlace(t);
    const { log } = place;
    const lines = makeChain(3);
    const forged = lineAfter(headOf(lines.at(-1)), { event: 'decision', verdict: 'signed' });
    writeFileSync(log, `${lines.join('\n')}\n${forged}`, { mode: 0o600 });
    const { code, stdout, stderr } = await place.audit('rotate');
    assert.equal(code, 1);
    assert.match(stdout, /: the records up to now; no daemon has it open/);
    assert.match(stderr, /audit\.jsonl\.\d+T\d+Z:4: truncated: record 4 has no end of line/);
    assert.equal(existsSync(log), false);
  });

  it('replaces no file', async (t) => {
    const { log } = await makePlace(t);
    const names = [];
    for (const text of ['one', 'two', 'three']) {
      writeFileSync(log, text);
      const { movedTo } = await rotateAuditLog({
        path: log,
        readDaemonPid: () => undefined,
        clock,
      });
      names.push(movedTo);
      assert.equal(readFileSync(movedTo, 'utf8'), text);
    }
    const name = `${log}.20261122T013339Z`;
    assert.deepEqual(names, [name, `${name}-1`, `${name}-2`]);
  });

  it('says where the records are when the daemon does not hear the signal', async (t) => {
    const place = await makePlace(t);
    const writer = await startWriter(t, place);
    await writer.write();
    writer.process.signal('SIGSTOP');
    const rotation = {
      path: place.log,
      readDaemonPid: () => readHeadNote(place.head)?.pid,
      clock,
      timeoutMs: 50,
    };
    const moved = `${place.log}.20261122T013339Z`;
    const error = await appErrorOf(() => rotateAuditLog(rotation), 'AUDIT_ROTATE');
    assert.ok(error.message.includes(moved), error.message);
    // It hears the signal later, and nothing is lost.
    writer.process.signal('SIGCONT');
    await writer.write();
    const verified = await place.audit('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /^records 1 to 3, in (one file|2 files): the chain holds$/m);
    assert.ok(readRecords(moved).length >= 2);
  });

  it("takes no file for the daemon's that is not", async (t) => {
    const place = await makePlace(t);
    const writer = await startWriter(t, place);
    writer.process.signal('SIGSTOP');
    const rotation = {
      path: place.log,
      readDaemonPid: () => readHeadNote(place.head)?.pid,
      clock,
      timeoutMs: 500,
    };
    const rotated = appErrorOf(() => rotateAuditLog(rotation), 'AUDIT_ROTATE');
    for (let looks = 0; existsSync(place.log); looks += 1) {
      assert.ok(looks < MAX_LOOKS, 'not moved');
      await sleep(1);
    }
    writeFileSync(place.log, '', { mode: 0o600 });
    assert.match((await rotated).message, /has opened no new file/);
    writer.process.signal('SIGCONT');
    await writer.write();
  });

  it('moves nothing and signals nobody when it does not know whose the log is', async (t) => {
    const place = await makePlace(t);
    const writer = await startWriter(t, place);
    const rotate = (pid: number | undefined): Promise<unknown> =>
      rotateAuditLog({ path: place.log, readDaemonPid: () => pid, clock });
    // This very process would end by SIGHUP, and has the log not open.
    for (const pid of [undefined, process.pid, 0x7f_ff_ff_ff]) {
      await appErrorOf(() => rotate(pid), 'AUDIT_ROTATE');
    }
    assert.deepEqual(place.files(), ['audit.jsonl']);
    await writer.write();
  });

  it('may be cut short: a log with two names has its records once', async (t) => {
    const place = await makePlace(t);
    const writer = await startWriter(t, place);
    await writer.write();
    linkSync(place.log, `${place.log}.20261122T013339Z`);
    const verified = await place.audit('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /^records 1 to 2, in one file: the chain holds$/m);
  });

  it('fails where there is no log', async (t) => {
    const place = await makePlace(t);
    const { code, stderr } = await place.audit('rotate');
    assert.equal(code, 1);
    assert.match(stderr, /audit\.jsonl does not exist/);
  });
});

describe('a rotation while clients are served', () => {
  const CLIENTS = 4;
  /** Answers between two rotations. */
  const ANSWERS = 20;

  for (const isDurable of [false, true]) {
    it(`loses no signature and no record (audit-durable = ${isDurable})`, async (t) => {
      const place = await makePlace(t, isDurable);
      const { bed, log } = place;
      const daemon = await startDaemon(t, place);
      const key = bed.key.privateKey;
      const load = new Load(t, { socket: bed.path('S'), key, clients: CLIENTS, next: () => ({}) });
      const moreAnswers = async (): Promise<void> => {
        const before = load.answers.length;
        await load.until(({ length }) => length >= before + ANSWERS);
      };
      for (let round = 1; round <= 3; round += 1) {
        await moreAnswers();
        renameSync(log, `${log}.${round}`);
        await moreAnswers(); // still in the file that was moved
        daemon.signal('SIGHUP');
        for (let looks = 0; !existsSync(log); looks += 1) {
          assert.ok(looks < MAX_LOOKS, daemon.output);
          await sleep(5);
        }
        await moreAnswers();
        const { code, stderr } = await place.audit('rotate');
        assert.equal(code, 0, stderr);
      }
      await moreAnswers();
      const answers = await load.stop();
      assert.deepEqual(
        answers.filter(({ outcome }) => outcome !== 'signed'),
        [],
      );
      assert.deepEqual(hashesOnRecord(place).toSorted(), answers.map(hashOf).toSorted());
      const verified = await place.audit('verify');
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
      const records = `records 1 to ${answers.length + 1}, in 7 files: the chain holds`;
      assert.ok(verified.stdout.includes(records), verified.stdout);
      assert.equal(verified.stdout.includes('note:'), false, verified.stdout);
    });
  }
});

describe('logrotate', () => {
  /** The shipped file, for this log and this process; systemd is not asked. */
  function configFor(log: string, pid: number): string {
    const lines = readFileSync(SHIPPED, 'utf8').split('\n');
    const signal = lines.findIndex((line) => line.includes('systemctl kill'));
    assert.match(lines[signal] ?? '', /--kill-whom=main --signal=HUP clavigerd\.service$/);
    lines.splice(signal - 1, 3, `kill -HUP ${pid}`);
    return lines.join('\n').replace('/var/log/claviger/audit.jsonl', log);
  }

  function isNew(log: string, inode: number): boolean {
    return existsSync(log) && statSync(log).ino !== inode;
  }

  it('rotates and compresses with the shipped configuration, and the chain holds', async (t) => {
    const place = await makePlace(t);
    const writer = await startWriter(t, place);
    const config = join(place.folder, 'logrotate.conf');
    writeFileSync(config, configFor(place.log, writer.process.pid), { mode: 0o600 });
    for (let round = 0; round < 3; round += 1) {
      await writer.write();
      const before = statSync(place.log).ino;
      await mustRun('logrotate', ['--force', '--state', join(place.folder, 'status'), config]);
      for (let tries = 0; !isNew(place.log, before); tries += 1) {
        assert.ok(tries < 10_000, writer.process.output);
        await writer.write(); // goes to the one file or the other
      }
    }
    await writer.write();
    assert.deepEqual(place.files().toSorted(), [
      'audit.jsonl',
      'audit.jsonl.1',
      'audit.jsonl.2.gz',
      'audit.jsonl.3.gz',
    ]);
    const verified = await place.audit('verify');
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    assert.match(verified.stdout, /in 4 files: the chain holds$/m);
  });

  it('is configured as the manual page says', () => {
    const manual = readFileSync(join(ROOT, 'docs/man/clavigerd-audit.1'), 'utf8');
    const lines = readFileSync(SHIPPED, 'utf8')
      .split('\n')
      .filter((line) => !/^\s*#/.test(line));
    assert.ok(manual.includes(lines.join('\n').trim()));
  });
});
