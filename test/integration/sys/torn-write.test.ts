// Files that can take only a part of what is written: the end of a disk, here the limit of a file's
// size. In a process of its own, which has that limit.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runCommand, type CommandResult } from '../../support/process.js';
import { makeTempDir } from '../../support/temp-dir.js';

/** Runs a script that may write files of so many bytes and no more; standard output is a pipe. */
function runLimited(bytes: number, script: string): Promise<CommandResult> {
  const node = [process.execPath, '--input-type=module', '-e', script];
  return runCommand('prlimit', [`--fsize=${bytes}`, ...node]);
}

function urlOf(path: string): string {
  return JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
}

describe('half a write', () => {
  it('of the head of the audit log is told', async (t) => {
    const head = join(await makeTempDir(t), 'state', 'head');
    const { stdout, stderr } = await runLimited(
      40,
      `process.on('SIGXFSZ', () => undefined);
      const { AuditHead } = await import(${urlOf('audit/audit-head.js')});
      const head = new AuditHead(${JSON.stringify(head)}, (problem) => console.log(problem));
      head.write({ seq: 1, hash: 'a'.repeat(64) }, 1);`,
    );
    assert.equal(stdout, 'only a part of it could be written\n', stderr);
  });

  it('of a line of the log is told, and the next line is on one of its own', async (t) => {
    const file = join(await makeTempDir(t), 'l.log');
    const { stdout, stderr } = await runLimited(
      60,
      `process.on('SIGXFSZ', () => undefined);
      const { truncateSync } = await import('node:fs');
      const { Log } = await import(${urlOf('sys/log.js')});
      const log = new Log({
        program: 'p', clock: { now: () => 0 }, journal: false, quiet: false, debug: false,
        writeStderr: (line) => { process.stdout.write(line); return true; }, file: ${JSON.stringify(file)},
      });
      log.info('one');
      log.info('two', { a: 'x'.repeat(100) });
      truncateSync(${JSON.stringify(file)}, 40);
      log.info('three');`,
    );
    assert.match(stdout, /p: log-file-failed reason="log file: EFBIG/, stderr);
    const time = '1970-01-01T00:00:00.000Z';
    const lines = readFileSync(file, 'utf8').split('\n');
    assert.deepEqual([lines[0], lines.length], [`${time} info one`, 3]);
    assert.match(lines[2] ?? '', /^1970-/);
  });
});
