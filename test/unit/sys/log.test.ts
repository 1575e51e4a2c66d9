import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { Secret } from '../../../src/lib/secret.js';
import { Log, type LogOptions } from '../../../src/sys/log.js';
import { atEnd } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

function newLog(change: Partial<LogOptions> = {}): { log: Log; stderr: () => string } {
  let text = '';
  const log = new Log({
    program: 'p',
    clock: { now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) },
    writeStderr: (line) => {
      text += line;
      return true;
    },
    priorities: false,
    quiet: false,
    debug: false,
    ...change,
  });
  return { log, stderr: () => text };
}

describe('Log', () => {
  it('writes an event and its fields on one line', () => {
    const { log, stderr } = newLog();
    log.info('event', { a: 1, b: 'two words', c: undefined, d: 'https://x.example/?a=b' });
    assert.equal(stderr(), 'p: event a=1 b="two words" d="https://x.example/?a=b"\n');
  });

  it('lets nobody forge a line or reach the terminal', () => {
    const { log, stderr } = newLog();
    log.info('event', { a: 'x\np: forged', b: '\u001b[2J\u009b', c: '\u202e', d: '" e="' });
    assert.equal(stderr().split('\n').length, 2);
    assert.doesNotMatch(stderr(), /[\u001b\u009b\u202e]/);
    assert.match(stderr(), /d="\\" e=\\""\n$/);
  });

  it('writes a secret as [redacted]', () => {
    const { log, stderr } = newLog();
    log.info('event', { pin: String(Secret.fromText('123456')) });
    assert.match(stderr(), /\[redacted\]/);
  });

  it('puts severities before lines for the journal', () => {
    const { log, stderr } = newLog({ priorities: true, debug: true });
    log.error('e');
    log.warning('w');
    log.notice('n');
    log.info('i');
    log.debug('d');
    assert.equal(stderr(), '<3>p: e\n<4>p: w\n<5>p: n\n<6>p: i\n<7>p: d\n');
  });

  it('keeps debug lines for --debug, and info lines from a quiet standard error', async (t) => {
    const file = join(await makeTempDir(t), 'l.log');
    const { log, stderr } = newLog({ quiet: true, file });
    log.debug('d');
    log.info('i');
    log.notice('n');
    assert.equal(stderr(), 'p: n\n');
    const time = '2026-01-02T03:04:05.006Z';
    assert.equal(readFileSync(file, 'utf8'), `${time} info i\n${time} notice n\n`);
  });

  it('keeps what the audit log tells too from a quiet standard error, and from no file', async (t) => {
    const file = join(await makeTempDir(t), 'l.log');
    const { log, stderr } = newLog({ quiet: true, file });
    log.writeRecorded('warning', 'refused', {});
    log.writeRecorded('error', 'failed', {});
    assert.equal(stderr(), '');
    assert.match(readFileSync(file, 'utf8'), /warning refused\n.*error failed\n$/);
    const loud = newLog({ quiet: false });
    loud.log.writeRecorded('warning', 'refused', {});
    assert.match(loud.stderr(), /refused/);
  });

  it('writes the records of one turn together, and in the order of all that happened', async (t) => {
    const file = join(await makeTempDir(t), 'log');
    const writes: string[] = [];
    const { log } = newLog({
      file,
      writeStderr: (text) => {
        writes.push(text);
        return true;
      },
    });
    const records = [
      log.record('signed', { conn: 1 }, false),
      log.record('signed', { conn: 2 }, false),
    ];
    assert.equal(readFileSync(file, 'utf8'), '');
    await Promise.all(records);
    const last = log.record('signed', { conn: 3 }, false);
    log.notice('n');
    await last;
    assert.deepEqual(writes, [
      'p: signed conn=1\np: signed conn=2\n',
      'p: signed conn=3\n',
      'p: n\n',
    ]);
    const events = [...readFileSync(file, 'utf8').matchAll(/ notice (.*)\n/g)].map(
      ([, event]) => event,
    );
    assert.deepEqual(events, ['signed conn=1', 'signed conn=2', 'signed conn=3', 'n']);
  });

  it('writes the record of a request that is alone at once', async (t) => {
    const file = join(await makeTempDir(t), 'log');
    const { log } = newLog({ file });
    const record = log.record('signed', {}, true);
    assert.match(readFileSync(file, 'utf8'), / signed\n$/);
    await record;
  });

  it('writes the records that wait when it is closed', async (t) => {
    const file = join(await makeTempDir(t), 'log');
    const { log } = newLog({ file });
    const record = log.record('signed', {}, false);
    log.close();
    await record;
    assert.match(readFileSync(file, 'utf8'), / signed\n$/);
  });

  it('tells once that its file is full, goes on, and refuses a record', async () => {
    const { log, stderr } = newLog({ file: '/dev/full' });
    log.info('one');
    log.info('two');
    assert.equal(stderr().match(/log-file-failed/g)?.length, 1);
    assert.match(stderr(), /p: one\n[^]*p: two\n/);
    await assert.rejects(log.record('signed', {}, false), { code: 'SYS_FILE' });
    assert.doesNotMatch(stderr(), /signed/);
  });

  it('writes a record to its file when standard error takes no more', async (t) => {
    const file = join(await makeTempDir(t), 'l.log');
    const { log } = newLog({ file, writeStderr: () => false });
    await log.record('signed', { a: 1 }, true);
    assert.match(readFileSync(file, 'utf8'), /notice signed a=1\n$/);
    log.close();
  });

  it('refuses a record when standard error is all there is, and takes no more', async () => {
    const { log } = newLog({ writeStderr: () => false });
    log.info('lost');
    await assert.rejects(log.record('signed', {}, false), { code: 'SYS_FILE' });
  });

  it('fails at once when the file cannot be opened', () => {
    assert.throws(() => newLog({ file: '/nonexistent/x.log' }), { code: 'SYS_PATH' });
  });

  describe('with a file', () => {
    const NOBODY = 65_534;
    const refusals: readonly (readonly [string, (file: string) => void, string, RegExp])[] = [
      [
        'that is a symbolic link',
        (file) => {
          writeFileSync(`${file}.target`, '', { mode: 0o600 });
          symlinkSync(`${file}.target`, file);
        },
        'SYS_PATH',
        /log file: .*\/l\.log is a symbolic link/,
      ],
      [
        'that is a symbolic link to nothing',
        (file) => {
          symlinkSync(`${file}.target`, file);
        },
        'SYS_PATH',
        /is a symbolic link/,
      ],
      [
        'that others can write',
        (file) => {
          writeFileSync(file, '');
          chmodSync(file, 0o666);
        },
        'SYS_UNSAFE_PATH',
        /log file: insecure permissions on .*\/l\.log: others can write it/,
      ],
      [
        'that is of another user',
        (file) => {
          writeFileSync(file, '');
          chownSync(file, NOBODY, NOBODY);
        },
        'SYS_UNSAFE_PATH',
        /l\.log: it belongs to user ID 65534/,
      ],
      [
        'in a folder that others can write, though it is sticky',
        (file) => {
          chmodSync(dirname(file), 0o1777);
        },
        'SYS_UNSAFE_PATH',
        /log file: insecure permissions on .*: others can write it/,
      ],
      [
        'in a folder of another user',
        (file) => {
          chownSync(dirname(file), NOBODY, NOBODY);
        },
        'SYS_UNSAFE_PATH',
        /it belongs to user ID 65534/,
      ],
      [
        'that is a folder',
        (file) => {
          mkdirSync(file);
        },
        'SYS_PATH',
        /l\.log/,
      ],
    ];
    for (const [name, prepare, code, message] of refusals) {
      it(`does not start, and does not go on: one ${name}`, async (t) => {
        assert.equal(process.geteuid?.(), 0, 'only root can give files to another user');
        const file = join(await makeTempDir(t), 'l.log');
        const { log } = newLog({ file });
        log.info('one');
        renameSync(file, `${file}.1`);
        prepare(file);
        assert.throws(() => newLog({ file }), { code, message });
        assert.throws(
          () => {
            log.reopen();
          },
          { code, message },
        );
        log.info('two');
        assert.match(readFileSync(`${file}.1`, 'utf8'), / one\n.* two\n$/);
        if (existsSync(`${file}.target`)) {
          assert.equal(readFileSync(`${file}.target`, 'utf8'), '');
        }
        log.close();
      });
    }

    it('that is a device of the system writes to it', () => {
      const { log, stderr } = newLog({ file: '/dev/null' });
      log.info('one');
      log.close();
      assert.equal(stderr(), 'p: one\n');
    });

    it('that there was not makes it for its owner alone, whatever the umask', async (t) => {
      const file = join(await makeTempDir(t), 'l.log');
      const umask = process.umask(0);
      atEnd(t, () => {
        process.umask(umask);
      });
      newLog({ file }).log.close();
      assert.equal(statSync(file).mode & 0o7777, 0o600);
    });
  });
});
