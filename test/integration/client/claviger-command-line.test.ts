// The command line of claviger: what it teaches, what it refuses, and with which exit status.

import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runClaviger } from '../../support/client/claviger.js';
import type { CommandResult } from '../../support/process.js';
import { makeTempDir } from '../../support/temp-dir.js';

function assertUsage(result: CommandResult, pattern: RegExp): void {
  assert.equal(result.code, 2, result.stderr);
  assert.match(result.stderr, pattern);
}

describe('claviger --help', () => {
  it('teaches with examples, on standard output', async () => {
    const { code, stdout, stderr } = await runClaviger(['--help']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    for (const word of [
      'account register --agree-tos',
      'issue',
      'renew',
      'revoke',
      '--webroot',
      '%E',
    ]) {
      assert.ok(stdout.includes(word), word);
    }
  });

  it('has a version beside it', async () => {
    const { code, stdout } = await runClaviger(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

describe('claviger', () => {
  it('wants a command it knows', async () => {
    assertUsage(await runClaviger(['frobnicate']), /claviger: error: unknown command 'frobnicate'/);
    assertUsage(await runClaviger([]), /Usage: claviger/);
    assertUsage(await runClaviger(['account']), /Usage: claviger account/);
  });

  it('wants options it knows, and values they can have', async () => {
    for (const args of [
      ['issue', 'a.test', '--frobnicate'],
      ['issue', 'a.test', '--key-type=dsa'],
      ['issue', 'a.test', '--timeout=soon'],
      ['issue', 'a.test', '--listen=:80', '--webroot=/w'],
      ['issue', 'a.test', '--socket=/s', '--signer-command=ssh a'],
      ['issue'],
      ['revoke', 'a.pem', '--reason=boredom'],
      ['account', 'show', 'extra'],
      ['account', 'show', '--server=ca.test'],
      ['account', 'show', '--timeout=0'],
      ['account', 'show', '--server=http://ca.test/'],
    ]) {
      assertUsage(await runClaviger(args), /^claviger: error: /m);
    }
  });

  it('tells every problem of the configuration at once', async (t) => {
    const config = join(await makeTempDir(t), 'claviger.toml');
    await writeFile(config, 'servr = "x"\nquiet = 1\n', { mode: 0o600 });
    const result = await runClaviger(['account', 'show', `--config=${config}`]);
    assertUsage(
      result,
      /claviger\.toml:1: servr: unknown setting; is server meant\?\nclaviger: error: .*:2: quiet: /,
    );
  });

  it('tells a wrong option as such, and nothing of a file', async () => {
    const { code, stderr } = await runClaviger(['account', 'show', '--timeout=0']);
    assert.equal(code, 2);
    assert.equal(stderr, 'claviger: error: command line: --timeout: must be at least 1\n');
  });

  it('wants a configuration file that is there when one is named', async (t) => {
    const path = join(await makeTempDir(t), 'missing.toml');
    assertUsage(await runClaviger(['renew', `--config=${path}`]), /there is no \//);
  });

  it('wants to know where key and certificate go, and names that can be', async (t) => {
    const cwd = await makeTempDir(t);
    const config = join(cwd, 'claviger.toml');
    await writeFile(config, '', { mode: 0o600 });
    const run = (...args: string[]): Promise<CommandResult> =>
      runClaviger(['issue', `--config=${config}`, ...args], { cwd });
    assertUsage(
      await run('a.test'),
      /command line: --key: is missing[^]*command line: --cert: is missing/,
    );
    const files = ['--key=k.pem', '--cert=c.pem'];
    assertUsage(await run('*.a.test', ...files), /wildcard[^]*hint: http-01/);
    assertUsage(await run('a_b.test', ...files), /not a valid domain name/);
    assertUsage(await run('a.test', ...files, '--contact=x'), /unknown option/);
    assert.deepEqual(await readdir(cwd), ['claviger.toml']);
  });

  it('wants something to renew', async (t) => {
    const config = join(await makeTempDir(t), 'claviger.toml');
    await writeFile(config, '', { mode: 0o600 });
    assertUsage(await runClaviger(['renew', `--config=${config}`]), /\[\[certificate\]\]/);
    await writeFile(
      config,
      '[[certificate]]\nnames = ["*.a.test", "b"]\nkey = "/k"\ncert = "/c"\n',
    );
    const run = await runClaviger(['renew', `--config=${config}`]);
    assertUsage(run, /claviger\.toml:2: certificate 1: names 1: "\*\.a\.test" is a wildcard/);
    assertUsage(run, /claviger\.toml:2: certificate 1: names 2: "b" is not a fully qualified/);
  });
});
