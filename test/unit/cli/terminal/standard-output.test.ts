// In a process of its own: what is tested writes to its standard output.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCommand, type CommandResult } from '../../../support/process.js';

const MODULE = new URL('../../../../src/cli/terminal/standard-output.js', import.meta.url).href;

/** Runs a script that has the functions of the module, as `sh` starts it: "$@". */
function runScript(script: string, shell: string): Promise<CommandResult> {
  const code = `const { printText, printJson } = await import(${JSON.stringify(MODULE)}); ${script}`;
  const node = [process.execPath, '--input-type=module', '-e', code];
  return runCommand('sh', ['-c', shell, 'sh', ...node]);
}

describe('standard output', () => {
  it('tells that a text is lost', async () => {
    const script = `try { printText('text\\n'); } catch (error) { process.stderr.write(error.code); }`;
    const { stderr } = await runScript(script, '"$@" >/dev/full');
    assert.equal(stderr, 'SYS_OUTPUT');
  });

  it('lets no foreign text be a command to the terminal, and JSON stay the same JSON', async () => {
    const value = { 'a\u202e': 'b\u009b2J \u{e0001} \\u202e', c: ['\u2066', 'ü'] };
    const { stdout } = await runScript(`printJson(${JSON.stringify(value)})`, '"$@"');
    assert.doesNotMatch(stdout, /[^\P{C}\n]/u);
    assert.match(stdout, /"ü"/);
    assert.deepEqual(JSON.parse(stdout), value);
  });

  it('waits for a slow reader, of a pipe that does not block too', async () => {
    const bytes = 300_000;
    const nonBlocking = `perl -MFcntl -e 'fcntl(STDOUT, F_SETFL, O_WRONLY | O_NONBLOCK); exec @ARGV'`;
    const { stdout, stderr } = await runScript(
      `printText('x'.repeat(${bytes}))`,
      `${nonBlocking} "$@" | { sleep 0.3; wc -c; }`,
    );
    assert.deepEqual([stdout.trim(), stderr], [String(bytes), '']);
  });
});
