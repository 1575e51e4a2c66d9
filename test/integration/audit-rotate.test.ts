// The audit log moved aside while a process writes it: by `clavigerd audit rotate`, and by logrotate with the
// configuration that is shipped. No record is lost, no file replaced, and the chain goes on.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { headPathOf } from '../../src/audit/audit-head.js';
import { readHeadNote } from '../../src/cli/audit-head-note.js';
import { rotateAuditLog } from '../../src/cli/audit-rotate.js';
import { appErrorOf } from '../support/app-error.js';
import { readRecords } from '../support/audit-chain.js';
import { runClavigerd } from '../support/clavigerd.js';
import {
  mustRun,
  startProcess,
  type CommandResult,
  type RunningProcess,
} from '../support/process.js';
import { ROOT } from '../support/programs.js';
import { makeTempDir } from '../support/temp-dir.js';

const WRITER = fileURLToPath(new URL('../support/audit-rotation-writer.js', import.meta.url));
const SHIPPED = join(ROOT, 'docs/examples/logrotate.d-clavigerd');
const clock = { now: () => Date.parse('2026-11-22T01:33:39.999Z') };

interface Place {
  readonly folder: string;
  readonly log: string;
  readonly head: string;
  readonly audit: (...args: readonly string[]) => Promise<CommandResult>;
  readonly files: () => readonly string[];
}

async function makePlace(t: TestContext): Promise<Place> {
  const folder = await makeTempDir(t);
  const log = join(folder, 'audit.jsonl');
  const state = join(folder, 'state');
  const config = join(folder, 'clavigerd.toml');
  const settings = [
    'privkey = "file:/nonexistent"',
    `socket = ${JSON.stringify(join(folder, 'S'))}`,
    `audit-log = ${JSON.stringify(log)}`,
    `state-directory = ${JSON.stringify(state)}`,
  ];
  writeFileSync(config, `${settings.join('\n')}\n`, { mode: 0o600 });
  return {
    folder,
    log,
    head: headPathOf(state, log),
    audit: (...args) => runClavigerd(['audit', ...args, `--config=${config}`]),
    files: () => readdirSync(folder).filter((name) => name.startsWith('audit.jsonl')),
  };
}

async function startWriter(t: TestContext, place: Place, ...mode: string[]): Promise<Writer> {
  const process = await startProcess(t, {
    command: globalThis.process.execPath,
    args: [WRITER, place.log, place.head, ...mode],
    stdin: true,
    waitFor: /^ready$/m,
  });
  let count = 0;
  const write = async (): Promise<void> => {
    count += 1;
    process.stdin.write(`${count}\n`);
    await process.waitFor(new RegExp(`^written ${count}$`, 'm'));
  };
  return { process, write };
}

interface Writer {
  readonly process: RunningProcess;
  readonly write: () => Promise<void>;
}

describe('clavigerd audit rotate', () => {
  it('has the daemon go on in a new file, and loses no record', async (t) => {
    const place = await makePlace(t);
    const writer = await startWriter(t, place);
    for (let round = 0; round < 3; round += 1) {
      await writer.write();
      const { code, stdout, stderr } = await place.audit('rotate');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /audit\.jsonl\.\d{8}T\d{6}Z(-\d+)?: .*has begun a new log/);
      assert.ok(stdout.includes(`process ${writer.process.pid}`), stdout);
      await writer.write();
    }
    assert.equal(place.files().length, 4);
    const seen = place
      .files()
      .flatMap((name) => readRecords(join(place.folder, name)))
      .map(({ reason }) => reason)
      .filter((reason) => /^\d$/.test(reason ?? ''));
    assert.deepEqual(seen.sort(), ['1', '2', '3', '4', '5', '6']);
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
    const writer = await startWriter(t, place, 'deaf');
    const rotation = {
      path: place.log,
      readDaemonPid: () => readHeadNote(place.head)?.pid,
      clock,
      timeoutMs: 50,
    };
    const error = await appErrorOf(() => rotateAuditLog(rotation), 'AUDIT_ROTATE');
    assert.ok(error.message.includes(`${place.log}.20261122T013339Z`), error.message);
    await writer.write();
    assert.equal(readRecords(`${place.log}.20261122T013339Z`).length, 2);
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

  it('fails where there is no log', async (t) => {
    const place = await makePlace(t);
    const { code, stderr } = await place.audit('rotate');
    assert.equal(code, 1);
    assert.match(stderr, /audit\.jsonl does not exist/);
  });
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
