// The test runner itself, on small made-up trees: whatever is wrong in a run must make it fail.

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CommandResult, runCommand } from '../support/process.js';
import type { Scope } from '../support/scope.js';
import { makeTempDir } from '../support/temp-dir.js';

const RUNNER = fileURLToPath(new URL('../run.js', import.meta.url));
const HEAD = "const { test } = require('node:test');\n";

/** Runs the runner in a tree whose only test file has this content. */
async function runTree(
  scope: Scope,
  content: string,
  env: Record<string, string> = {},
): Promise<CommandResult> {
  const root = await makeTempDir(scope);
  await mkdir(join(root, 'test'));
  await mkdir(join(root, 'dist/test'), { recursive: true });
  // Else the nearest package.json above the temporary folder would tell what kind of module it is.
  await writeFile(join(root, 'package.json'), '{"type":"commonjs"}');
  await writeFile(join(root, 'test/a.test.ts'), '');
  await writeFile(join(root, 'dist/test/a.test.js'), HEAD + content);
  await writeFile(
    join(root, 'dist/test/stale.test.js'),
    `${HEAD}test('stale', () => { throw 1; });`,
  );
  return await runCommand(process.execPath, [RUNNER, 'a.test'], {
    cwd: root,
    // Node's runner refuses to run below itself unless it is not told so.
    env: { NODE_TEST_CONTEXT: undefined, CI: undefined, ...env },
  });
}

function lastLine(result: CommandResult): string | undefined {
  return result.stdout.trimEnd().split('\n').at(-1);
}

describe('test runner', () => {
  it('counts what passed and leaves stale compiled files alone', async (t) => {
    const result = await runTree(t, "test('one', () => {}); test('two', () => {});");
    assert.equal(result.code, 0, result.stdout);
    assert.equal(lastLine(result), '5 passed, 0 failed');
  });

  it('prints how long the slowest files took', async (t) => {
    const waiting =
      "test('one', async () => { await new Promise((done) => setTimeout(done, 160)); });";
    const { stdout } = await runTree(t, waiting);
    const [, seconds] = /^ +(\d+\.\d) s {2}test\/a\.test\.ts$/m.exec(stdout) ?? [];
    assert.ok(Number(seconds) >= 0.1, stdout);
  });

  it('fails on a failing test', async (t) => {
    const result = await runTree(t, "test('one', () => { throw new Error('x'); });");
    assert.equal(result.code, 1);
    assert.match(lastLine(result) ?? '', /^3 passed, 1 failed$/);
  });

  it('fails on a file that dies before its first test', async (t) => {
    const result = await runTree(t, 'process.exit(3);');
    assert.equal(result.code, 1);
  });

  it('fails on a suite that dies before its first test, beside one that passes', async (t) => {
    const suites =
      "describe('a', () => { throw 1; }); describe('b', () => { test('c', () => {}); });";
    const result = await runTree(t, `const { describe } = require('node:test'); ${suites}`);
    assert.equal(result.code, 1);
    assert.match(lastLine(result) ?? '', /^4 passed, 1 failed$/);
  });

  it('fails on a file without a test', async (t) => {
    const result = await runTree(t, '');
    assert.equal(result.code, 1);
    assert.match(result.stdout, /failed check: every test file has a test/);
  });

  it('fails on a skipped test in continuous integration', async (t) => {
    const skipping = "test('one', () => {}); test('two', { skip: true }, () => {});";
    const inCi = await runTree(t, skipping, { CI: 'true' });
    assert.equal(inCi.code, 1);
    assert.match(lastLine(inCi) ?? '', /, 1 skipped$/);
    assert.equal((await runTree(t, skipping)).code, 0);
  });

  it('finds and ends a process that a test left behind', async (t) => {
    const result = await runTree(
      t,
      `test('one', () => {
        require('node:child_process').spawn('sleep', ['33'], { detached: true, stdio: 'ignore' }).unref();
      });`,
    );
    assert.equal(result.code, 1);
    assert.match(result.stdout, /process \d+: sleep 33/);
  });

  it('finds a file that a test left behind', async (t) => {
    const result = await runTree(
      t,
      "test('one', () => { require('node:fs').writeFileSync(process.env.TMPDIR + '/litter', ''); });",
    );
    assert.equal(result.code, 1);
    assert.match(result.stdout, /file .*\/litter/);
  });

  it('fails when a filter matches no file', async (t) => {
    const root = await makeTempDir(t);
    await mkdir(join(root, 'test'));
    const result = await runCommand(process.execPath, [RUNNER, 'nothing'], {
      cwd: root,
      env: { NODE_TEST_CONTEXT: undefined },
    });
    assert.equal(result.code, 1);
    assert.match(result.stdout, /no test ran/);
  });
});
