import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Secret } from '../../../src/lib/secret.js';
import { Log, type LogOptions } from '../../../src/sys/log.js';
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
    journal: false,
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
    const { log, stderr } = newLog({ journal: true, debug: true });
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

  it('refuses a record when standard error is all there is, and takes no more', async () => {
    const { log } = newLog({ writeStderr: () => false });
    log.info('lost');
    await assert.rejects(log.record('signed', {}, false), { code: 'SYS_FILE' });
  });

  it('fails at once when the file cannot be opened', () => {
    assert.throws(() => newLog({ file: '/nonexistent/x.log' }), { code: 'SYS_PATH' });
  });
});
