import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { AuditFile } from '../../../src/audit/audit-file.js';
import { AuditHead, readNotedHead } from '../../../src/audit/audit-head.js';
import { AuditLog } from '../../../src/audit/audit-log.js';
import type { AuditRecord } from '../../../src/audit/audit-record.js';
import { MAX_RECORD_BYTES } from '../../../src/audit/record-line.js';
import type { Clock } from '../../../src/lib/clock.js';
import { lockFile } from '../../../src/sys/files/file-lock.js';
import { appErrorOf } from '../../support/app-error.js';
import { headOf, makeChain, readRecords, verifyFiles } from '../../support/audit/audit-chain.js';
import type { Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const NOTED = 'the last that was noted';
const DECISION = { event: 'decision', verdict: 'signed', account: 'default' } as const;

class Bed {
  readonly path: string;
  readonly rotated: string;
  readonly headPath: string;
  readonly troubles: string[] = [];

  constructor(directory: string) {
    mkdirSync(join(directory, 'log'), { mode: 0o700 });
    this.path = join(directory, 'log', 'audit.jsonl');
    this.rotated = `${this.path}.1`;
    this.headPath = join(directory, 'state', 'audit-head');
  }

  open(isDurable = false, clock: Clock = { now: () => 1.8e12 }): AuditLog {
    return AuditLog.open({
      path: this.path,
      isDurable,
      headPath: this.headPath,
      clock,
      onTrouble: (level, message) => this.troubles.push(`${level}: ${message}`),
      version: '1.2.3',
    });
  }

  /** A log that was written and closed. */
  async fill(count: number): Promise<void> {
    const log = this.open();
    for (let at = 0; at < count; at += 1) {
      await log.append({ ...DECISION, connection: String(at) });
    }
    await log.close();
  }

  lines(path = this.path): string[] {
    return readFileSync(path, 'latin1').trimEnd().split('\n');
  }

  records(path = this.path): AuditRecord[] {
    return readRecords(path);
  }

  events(path = this.path): string[] {
    return this.records(path).map(({ event, reason }) =>
      reason === undefined ? event : `${event}: ${reason}`,
    );
  }

  breaks(...paths: string[]): string[] {
    return verifyFiles(paths.length === 0 ? [this.path] : paths).findings.map(
      ({ kind, line }) => `${kind}:${line}`,
    );
  }
}

async function makeBed(scope: Scope): Promise<Bed> {
  return new Bed(await makeTempDir(scope));
}

describe('AuditLog', () => {
  it('fails the records that may not be on disk, and says so in the next ones', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open(true);
    await log.append(DECISION);
    const sync = t.mock.method(AuditFile.prototype, 'sync', () =>
      Promise.reject(new Error('EIO: i/o error, fdatasync')),
    );
    const both = [log.append(DECISION), log.append(DECISION)];
    for (const append of both) {
      const error = await appErrorOf(() => append, 'AUDIT_WRITE');
      assert.match(error.message, /fdatasync/);
    }
    assert.equal(log.outage?.code, 'AUDIT_WRITE');
    sync.mock.restore();
    await log.append(DECISION);
    assert.equal(log.outage, undefined);
    await log.close();
    const gap = bed.events().find((event) => event.startsWith('gap'));
    assert.match(gap ?? '', /records up to 4 may not be on disk: .*fdatasync/);
    assert.deepEqual(bed.breaks(), []);
  });

  it('records its start, what happens and its end', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(2);
    assert.deepEqual(bed.events(), ['start: clavigerd 1.2.3', 'decision', 'decision', 'stop']);
    const [start, first] = bed.records();
    assert.deepEqual(start, {
      seq: 1,
      time: '2027-01-15T08:00:00.000Z',
      event: 'start',
      reason: 'clavigerd 1.2.3',
      begins: 'file',
      prev: '0'.repeat(64),
    });
    assert.equal(first?.connection, '0');
    assert.deepEqual(bed.breaks(), []);
    assert.equal(statSync(bed.path).mode & 0o777, 0o600);
    assert.equal(statSync(bed.headPath).mode & 0o777, 0o600);
    assert.deepEqual(bed.troubles, []);
  });

  for (const isDurable of [false, true]) {
    it(`keeps the order of records that come together (durable: ${isDurable})`, async (t) => {
      const bed = await makeBed(t);
      const log = bed.open(isDurable);
      const names = Array.from({ length: 500 }, (_, at) => String(at));
      await Promise.all(names.map((connection) => log.append({ ...DECISION, connection })));
      const written = bed.records().map(({ connection }) => connection);
      assert.deepEqual(written.slice(1), names);
      await log.close();
      assert.deepEqual(bed.breaks(), []);
    });
  }

  it('continues the chain', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(2);
    await bed.fill(1);
    assert.equal(bed.records().length, 7);
    assert.deepEqual(bed.breaks(), []);
    assert.deepEqual(bed.troubles, []);
  });

  it('tells its head, and notes it with the process', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    assert.equal(log.head.seq, 1);
    await log.append(DECISION);
    const first = headOf(bed.lines()[0]);
    assert.deepEqual(readNotedHead(bed.headPath), { ...log.head, pid: process.pid, first });
    await log.close();
    assert.deepEqual(readNotedHead(bed.headPath), { ...headOf(bed.lines().at(-1)), pid: 0, first });
  });

  it('marks the first record of each file, and notes it', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    await log.append(DECISION);
    renameSync(bed.path, bed.rotated);
    log.reopen();
    await log.append(DECISION);
    await log.append(DECISION);
    assert.deepEqual(
      [...bed.records(bed.rotated), ...bed.records()].map(({ begins }) => begins),
      ['file', undefined, 'file', undefined],
    );
    assert.deepEqual(readNotedHead(bed.headPath)?.first, headOf(bed.lines()[0]));
    await log.close();
    await bed.fill(1);
    assert.deepEqual(readNotedHead(bed.headPath)?.first, headOf(bed.lines()[0]), 'after a restart');
    const [, ...rest] = bed.lines();
    writeFileSync(bed.path, `${rest.join('\n')}\n`);
    assert.deepEqual(bed.breaks(), ['removed:1']);
    assert.deepEqual(bed.breaks(bed.rotated, bed.path), ['removed:1']);
  });

  it('takes nothing after its end', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    const waiting = log.append(DECISION);
    await log.close();
    await waiting;
    await log.close();
    log.reopen();
    await appErrorOf(() => log.append(DECISION), 'AUDIT_WRITE');
    await appErrorOf(() => {
      log.recover();
    }, 'AUDIT_WRITE');
    assert.deepEqual(bed.events(), ['start: clavigerd 1.2.3', 'decision', 'stop']);
  });

  it('cuts a reason, and refuses a record that is too long alone', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    const long = 'x'.repeat(MAX_RECORD_BYTES);
    const appended = await Promise.allSettled([
      log.append({ ...DECISION, reason: long }),
      log.append({ ...DECISION, url: long }),
      log.append(DECISION),
    ]);
    assert.deepEqual(
      appended.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    await appErrorOf(() => log.append({ ...DECISION, url: long }), 'AUDIT_RECORD');
    assert.equal(log.outage, undefined);
    await log.close();
    assert.equal(bed.records()[1]?.reason?.length, 2001);
    assert.deepEqual(bed.breaks(), []);
  });

  for (const isDurable of [false, true]) {
    it(`records at its end that the file was removed (durable: ${isDurable})`, async (t) => {
      const bed = await makeBed(t);
      const log = bed.open(isDurable);
      await log.append(DECISION);
      rmSync(bed.path);
      await log.close();
      assert.deepEqual(bed.events(), ['gap: the file was removed; it ended with record 2', 'stop']);
      assert.equal(bed.records()[0]?.seq, 3);
      const first = headOf(bed.lines()[0]);
      assert.deepEqual(readNotedHead(bed.headPath), { ...log.head, pid: 0, first });
    });
  }

  it('fails at its end where nothing can be written', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    rmSync(bed.path);
    mkdirSync(bed.path);
    await appErrorOf(() => log.close(), 'AUDIT_WRITE');
    assert.deepEqual(readNotedHead(bed.headPath), { ...log.head, pid: 0, first: log.head });
  });

  it('is one process’s', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    const error = await appErrorOf(() => bed.open(), 'SYS_LOCKED');
    assert.match(error.message, /^audit log .*: another process is using it$/);
    await log.close();
    await bed.open().close();
    assert.deepEqual(bed.breaks(), []);
  });
});

describe('AuditLog.open', () => {
  it('cuts half a record off, and records that', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    const [start = ''] = readFileSync(bed.path, 'latin1').split('\n');
    appendFileSync(bed.path, start.slice(0, 40));
    await bed.fill(0);
    assert.deepEqual(bed.events().slice(3), [
      'gap: incomplete record of 40 bytes removed',
      'start: clavigerd 1.2.3',
      'stop',
    ]);
    assert.deepEqual(bed.breaks(), []);
  });

  it('excuses half a record in a copy that was made before it was cut off', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    const [start = ''] = readFileSync(bed.path, 'latin1').split('\n');
    appendFileSync(bed.path, start.slice(0, 40));
    assert.deepEqual(bed.breaks(), ['truncated:4'], 'until the chain goes on');
    const copy = `${bed.path}.copy`;
    copyFileSync(bed.path, copy);
    renameSync(bed.path, bed.rotated);
    await bed.fill(1);
    const { findings, notes } = verifyFiles([copy, bed.path]);
    assert.deepEqual(findings, []);
    assert.deepEqual(
      notes.map(({ file, line }) => [file, line]),
      [
        [copy, 4],
        [bed.path, 1],
      ],
    );
    appendFileSync(copy, start[40] ?? '');
    assert.deepEqual(bed.breaks(copy, bed.path), ['truncated:4'], 'with one byte more');
  });

  it('shows half a record in a file that it does not find', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    appendFileSync(bed.path, '{"seq":4,');
    const elsewhere = `${bed.path}.old`;
    renameSync(bed.path, elsewhere);
    await bed.fill(0);
    assert.deepEqual(bed.breaks(elsewhere, bed.path), ['truncated:4']);
  });

  it('tells that the file is gone, where nothing is left of it', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    rmSync(bed.path);
    await bed.fill(0);
    assert.equal(bed.events()[0], 'gap: the file that ended with record 3 is gone');
    rmSync(bed.path);
    writeFileSync(`${bed.path}.1.gz`, 'compressed');
    await bed.fill(0);
    assert.equal(bed.events()[0], 'start: clavigerd 1.2.3', 'it may have been rotated');
  });

  it('removes half a record from the end of a file that was moved by rotation', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    const [start = ''] = readFileSync(bed.path, 'latin1').split('\n');
    appendFileSync(bed.path, start.slice(0, 40));
    renameSync(bed.path, bed.rotated);
    await bed.fill(1);
    const { findings, notes } = verifyFiles([bed.rotated, bed.path]);
    assert.deepEqual(findings, []);
    assert.deepEqual(
      notes.map(({ file, line, message }) => [file, line, message]),
      [[bed.path, 1, 'record 4: the signer noted: incomplete record of 40 bytes removed']],
    );
  });

  it('begins where there is only half a record', async (t) => {
    const bed = await makeBed(t);
    writeFileSync(bed.path, '{"se');
    await bed.fill(0);
    assert.equal(bed.events()[0], 'gap: incomplete record of 4 bytes removed');
    assert.deepEqual(bed.breaks(), []);
  });

  it('shows a tail that was cut while nothing ran', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(5);
    const lines = readFileSync(bed.path, 'latin1').split('\n');
    writeFileSync(bed.path, `${lines.slice(0, 4).join('\n')}\n`);
    await bed.fill(0);
    assert.equal(bed.events()[4], 'gap: the file ends at record 4, but record 7 had been written');
    assert.deepEqual(bed.breaks(), ['removed:5']);
    assert.deepEqual(bed.troubles, [
      'error: audit log: the file ends at record 4, but record 7 had been written',
    ]);
  });

  it('shows a last record that was replaced while nothing ran', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    const text = readFileSync(bed.path, 'latin1');
    writeFileSync(bed.path, text.replace('"stop"', '"start"'));
    await bed.fill(0);
    assert.equal(bed.events()[3], 'gap: record 3 of the file is not the one that had been written');
    assert.deepEqual(bed.breaks(), ['edited:3']);
  });

  it('goes on after the noted head where the file was moved or removed', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    renameSync(bed.path, bed.rotated);
    await bed.fill(1);
    assert.deepEqual(bed.breaks(bed.rotated, bed.path), []);
    rmSync(bed.path);
    await bed.fill(1);
    assert.equal(bed.records()[0]?.seq, 7);
    assert.deepEqual(bed.breaks(bed.rotated, bed.path), ['removed:1']);
  });

  it('goes on after the file where no head is noted, or an older one', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    const older = readFileSync(bed.headPath);
    await log.append(DECISION);
    await log.close();
    writeFileSync(bed.headPath, older); // as by a daemon that was killed
    await bed.fill(1);
    rmSync(bed.headPath);
    await bed.fill(1);
    const whose = 'they may be the last ones of the daemon, which was killed';
    const told = `the file goes on with 2 records, to record 3, after record 1, ${NOTED}: ${whose}`;
    assert.equal(bed.events()[3], `gap: ${told}`);
    assert.equal(bed.records().length, 10);
    assert.deepEqual(bed.breaks(), []);
    assert.equal(bed.troubles.length, 1);
    assert.ok(bed.troubles[0]?.endsWith(told));
  });

  it('says when the file goes on after the end of a daemon that has ended in order', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    const last = readFileSync(bed.path, 'latin1').trimEnd().split('\n').at(-1);
    appendFileSync(bed.path, `${makeChain(2, headOf(last)).join('\n')}\n`);
    await bed.fill(0);
    assert.deepEqual(bed.events().slice(5), [
      `gap: the file goes on with 2 records, to record 5, after record 3, ${NOTED}: the daemon had ended in order`,
      'start: clavigerd 1.2.3',
      'stop',
    ]);
    assert.deepEqual(bed.breaks(), []);
    assert.equal(bed.troubles.length, 1);
  });

  it('notes that it runs before it writes a record', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    const noted = readNotedHead(bed.headPath);
    assert.equal(noted?.pid, 0);
    const whileItBegins: unknown[] = [];
    const now = (): number => {
      whileItBegins.push(readNotedHead(bed.headPath));
      return 1.8e12;
    };
    const log = bed.open(false, { now });
    assert.deepEqual(whileItBegins[0], { ...noted, pid: process.pid });
    await log.close();
  });

  it('leaves the note of the orderly end where it cannot begin', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    const noted = readNotedHead(bed.headPath);
    const now = (): number => {
      throw new Error('no time');
    };
    assert.throws(() => bed.open(false, { now }), /no time/);
    assert.deepEqual(readNotedHead(bed.headPath), noted);
    const head = new AuditHead(bed.headPath, (problem) => {
      assert.fail(problem);
    });
    head.claim();
    assert.equal(readNotedHead(bed.headPath)?.pid, process.pid);
    head.close();
    assert.deepEqual(readNotedHead(bed.headPath), noted);
  });

  it('says that the noted head is damaged', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    writeFileSync(bed.headPath, '\0'.repeat(160));
    const error = await appErrorOf(() => readNotedHead(bed.headPath), 'AUDIT_RECORD');
    assert.equal(error.message, `audit head: ${bed.headPath} is damaged`);
    assert.match(error.hint ?? '', /name the files/);
    await bed.fill(0);
    assert.match(bed.events()[3] ?? '', /^gap: the head noted in .* is damaged$/);
    assert.deepEqual(bed.breaks(), []);
  });

  it('takes no file that is something else', async (t) => {
    const bed = await makeBed(t);
    for (const content of ['something\n', 'something', 'a\n{"seq":']) {
      writeFileSync(bed.path, content);
      await appErrorOf(() => bed.open(), 'AUDIT_RECORD');
      assert.equal(readFileSync(bed.path, 'latin1'), content);
    }
  });

  it('goes on after foreign lines where the head is noted', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(1);
    appendFileSync(bed.path, 'something\nelse');
    await bed.fill(0);
    const lines = readFileSync(bed.path, 'latin1').split('\n');
    assert.equal(lines[4], 'else');
    assert.match(lines[5] ?? '', /"gap","reason":"the end of the file is no record"/);
    assert.deepEqual(bed.breaks(), ['not-a-record:4', 'not-a-record:5']);
  });

  it('takes no file or directory that others could change, and no link', async (t) => {
    const bed = await makeBed(t);
    const directory = join(bed.path, '..');
    writeFileSync(bed.path, '');
    chmodSync(bed.path, 0o666);
    await appErrorOf(() => bed.open(), 'SYS_UNSAFE_PATH');
    chmodSync(bed.path, 0o600);
    chmodSync(directory, 0o777);
    await appErrorOf(() => bed.open(), 'SYS_UNSAFE_PATH');
    chmodSync(directory, 0o700);
    renameSync(bed.path, bed.rotated);
    symlinkSync(bed.rotated, bed.path);
    await appErrorOf(() => bed.open(), 'AUDIT_WRITE');
    rmSync(bed.path);
    mkdirSync(bed.path);
    await appErrorOf(() => bed.open(), 'AUDIT_WRITE');
  });

  it('says what is wrong with the place of its head', async (t) => {
    const bed = await makeBed(t);
    mkdirSync(bed.headPath, { recursive: true, mode: 0o700 });
    await appErrorOf(() => bed.open(), 'SYS_FILE');
    await appErrorOf(() => readNotedHead(bed.headPath), 'SYS_FILE');
    assert.equal(readNotedHead(`${bed.headPath}-other`), undefined);
  });
});

describe('AuditLog.open after a crash between a rename and reopen', () => {
  /** A file with records that are not noted, and half a one, has been moved away. */
  async function crash(bed: Bed): Promise<void> {
    await bed.fill(2);
    const lines = makeChain(2, headOf(readFileSync(bed.path, 'latin1').split('\n').at(-2)));
    appendFileSync(bed.path, `${lines.join('\n')}\n{"seq":7`);
    renameSync(bed.path, bed.rotated);
  }

  it('goes on after the last record of the moved file, and cuts half a one off', async (t) => {
    const bed = await makeBed(t);
    await crash(bed);
    writeFileSync(`${bed.path}.2.gz`, 'compressed');
    await bed.open().close();
    assert.deepEqual(bed.breaks(bed.rotated, bed.path), []);
    assert.deepEqual(bed.events(), [
      'gap: incomplete record of 8 bytes removed',
      `gap: the file goes on with 2 records, to record 6, after record 4, ${NOTED}: the daemon had ended in order`,
      'start: clavigerd 1.2.3',
      'stop',
    ]);
    assert.equal(bed.records()[0]?.seq, 7);
  });

  it('takes no file for it that is not', async (t) => {
    const bed = await makeBed(t);
    await crash(bed);
    const noted = readNotedHead(bed.headPath)?.seq ?? 0;
    chmodSync(bed.rotated, 0o666);
    await bed.open().close();
    assert.equal(bed.records()[0]?.seq, noted + 1, 'others can write it');
    rmSync(bed.path);
    chmodSync(bed.rotated, 0o600);
    writeFileSync(bed.rotated, 'something\n');
    await bed.open().close();
    assert.equal(bed.records()[0]?.seq, noted + 3, 'no record');
    rmSync(bed.path);
    writeFileSync(bed.rotated, `${makeChain(2).join('\n')}\n`);
    await bed.open().close();
    assert.equal(bed.records()[0]?.seq, noted + 5, 'an older one');
    assert.equal(readFileSync(bed.rotated, 'latin1'), `${makeChain(2).join('\n')}\n`);
  });

  it('goes on as noted when the last record of the moved file was edited', async (t) => {
    const bed = await makeBed(t);
    await bed.fill(2);
    renameSync(bed.path, bed.rotated);
    const text = readFileSync(bed.rotated, 'latin1');
    writeFileSync(bed.rotated, text.replace(/2027(?=[^\n]*\n$)/, '2028'));
    await bed.open().close();
    assert.ok(bed.breaks(bed.rotated, bed.path).length > 0);
    const last = readFileSync(bed.rotated, 'latin1').split('\n').at(-2);
    assert.notEqual(bed.records()[0]?.prev, headOf(last).hash);
  });
});

describe('AuditLog.reopen', () => {
  for (const isDurable of [false, true]) {
    it(`goes on in a new file (durable: ${isDurable})`, async (t) => {
      const bed = await makeBed(t);
      const log = bed.open(isDurable);
      const before = log.append({ ...DECISION, connection: 'before' });
      renameSync(bed.path, bed.rotated);
      log.reopen();
      await before;
      await log.append({ ...DECISION, connection: 'after' });
      await log.close();
      assert.deepEqual(bed.events(bed.rotated), ['start: clavigerd 1.2.3', 'decision']);
      assert.deepEqual(bed.events(), ['decision', 'stop']);
      assert.deepEqual(bed.breaks(bed.rotated, bed.path), []);
      assert.deepEqual(bed.troubles, []);
    });
  }

  it('stays in the moved file until then', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    renameSync(bed.path, bed.rotated);
    await log.append(DECISION);
    assert.equal(bed.records(bed.rotated).length, 2);
    log.reopen();
    assert.equal(readFileSync(bed.path, 'latin1'), '');
    await log.close();
  });

  it('says that the file was removed, and not moved', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    rmSync(bed.path);
    log.reopen();
    await log.append(DECISION);
    await log.close();
    const reason = 'the file was removed; it ended with record 1';
    assert.deepEqual(bed.events(), [`gap: ${reason}`, 'decision', 'stop']);
    assert.deepEqual(bed.troubles, [`error: audit log: ${reason}`]);
  });

  it('does nothing where no file was moved', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    log.reopen();
    await log.close();
    assert.deepEqual(bed.events(), ['start: clavigerd 1.2.3', 'stop']);
    assert.deepEqual(bed.troubles, []);
  });

  it('takes a file that was made for it, and says when it is not empty', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    renameSync(bed.path, bed.rotated);
    writeFileSync(bed.path, '', { mode: 0o640 });
    log.reopen();
    await log.append(DECISION);
    assert.equal(bed.records()[0]?.event, 'decision');
    renameSync(bed.path, `${bed.path}.2`);
    writeFileSync(bed.path, `${makeChain(3).join('\n')}\n`, { mode: 0o600 });
    log.reopen();
    renameSync(bed.path, `${bed.path}.3`);
    writeFileSync(bed.path, 'something', { mode: 0o600 });
    log.reopen();
    await log.close();
    const [, ...lines] = readFileSync(bed.path, 'latin1').trimEnd().split('\n');
    assert.equal(lines.length, 3);
    assert.match(
      lines[0] ?? '',
      /"gap","reason":"the new file was not empty: it ended with record 3"/,
    );
    assert.match(lines[1] ?? '', /"reason":"the new file was not empty: its end is no record"/);
    assert.equal(bed.troubles.length, 2);
  });

  it('records that the old file was removed', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    await log.append(DECISION);
    rmSync(bed.path);
    log.reopen();
    await log.append(DECISION);
    await log.close();
    const gap = 'gap: the file was removed; it ended with record 2';
    assert.deepEqual(bed.events(), [gap, 'decision', 'stop']);
  });

  it('keeps the old file where there can be no new one', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    renameSync(bed.path, bed.rotated);
    writeFileSync(bed.path, '');
    chmodSync(bed.path, 0o666);
    log.reopen();
    const fd = openSync(bed.path, 'a');
    chmodSync(bed.path, 0o600);
    lockFile(fd, { waitSeconds: 0 });
    log.reopen();
    closeSync(fd);
    await log.append(DECISION);
    await log.close();
    assert.deepEqual(bed.events(bed.rotated).slice(1), ['decision', 'stop']);
    assert.match(bed.troubles[0] ?? '', /^error: audit log: others can write .*stays in use$/);
    assert.match(bed.troubles[1] ?? '', /another process is using it; the file .* stays in use$/);
    assert.equal(log.outage, undefined);
  });
});

describe('AuditLog.recover', () => {
  it('does nothing without an outage', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    log.recover();
    await log.close();
    assert.equal(bed.records().length, 2);
  });

  for (const isDurable of [false, true]) {
    it(`makes a removed file anew, and records what was lost (durable: ${isDurable})`, async (t) => {
      const bed = await makeBed(t);
      const log = bed.open(isDurable);
      await log.append(DECISION);
      rmSync(bed.path);
      const lost = [log.append(DECISION), log.append(DECISION)];
      for (const append of lost) {
        const error = await appErrorOf(() => append, 'AUDIT_WRITE');
        assert.equal(error.message, 'audit log: the file was removed');
        assert.equal(log.outage, error);
      }
      log.recover();
      assert.equal(log.outage, undefined);
      await log.append(DECISION);
      await log.close();
      assert.deepEqual(bed.events(), [
        'gap: the file was removed; it ended with record 2',
        'gap: 2 records could not be written: the file was removed',
        'decision',
        'stop',
      ]);
      assert.equal(bed.records()[0]?.seq, 3);
      assert.deepEqual(bed.breaks(), []);
      assert.deepEqual(bed.troubles, [
        'error: audit log: the file was removed; nothing is signed until it can be written',
        'notice: audit log: it can be written again',
      ]);
    });
  }

  it('fails while there is no place for a file', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    rmSync(join(bed.path, '..'), { recursive: true });
    await appErrorOf(() => log.append(DECISION), 'AUDIT_WRITE');
    const error = await appErrorOf(() => {
      log.recover();
    }, 'AUDIT_WRITE');
    assert.match(error.message, /^audit log: there is no \//);
    assert.equal(log.outage, error);
    mkdirSync(join(bed.path, '..'), { mode: 0o700 });
    log.recover();
    await log.close();
    assert.deepEqual(bed.breaks(), []);
  });

  it('is not needed by the next record', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    rmSync(bed.path);
    await appErrorOf(() => log.append(DECISION), 'AUDIT_WRITE');
    await log.append(DECISION);
    assert.equal(log.outage, undefined);
    await log.close();
    assert.equal(bed.records().length, 4);
    assert.deepEqual(bed.breaks(), []);
  });
});

describe('a file that others write to', () => {
  it('is told of, and goes on', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    await log.append(DECISION);
    const size = statSync(bed.path).size;
    appendFileSync(bed.path, 'something');
    await log.append(DECISION);
    truncateSync(bed.path, 0);
    await log.append(DECISION);
    await log.close();
    const [first = ''] = bed.events();
    assert.match(first, /^gap: somebody else changed the file: it had \d+ bytes, and has 0$/);
    assert.equal(
      bed.troubles[0],
      `error: audit log: somebody else changed the file: it had ${size} bytes, and has ${size + 9}`,
    );
    assert.deepEqual(bed.breaks(), []);
  });

  it('keeps what they wrote on a line of its own', async (t) => {
    const bed = await makeBed(t);
    const log = bed.open();
    appendFileSync(bed.path, 'something');
    await log.append(DECISION);
    await log.close();
    assert.deepEqual(bed.breaks(), ['not-a-record:2']);
    assert.equal(readFileSync(bed.path, 'latin1').split('\n')[1], 'something');
  });
});
