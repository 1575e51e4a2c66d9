// Options of `clavigerd` and of its commands: each goes to what it stands behind, and --config to
// both.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { makeTempDir } from '../../support/temp-dir.js';

describe('options of clavigerd commands', () => {
  it('take --config before and behind the command', async (t) => {
    const folder = await makeTempDir(t);
    const state = join(folder, 'state');
    const config = join(folder, 'clavigerd.toml');
    mkdirSync(join(state, 'pin-latches'), { recursive: true, mode: 0o700 });
    const latch = join(state, 'pin-latches', `${'0'.repeat(32)}.json`);
    writeFileSync(latch, 'damaged', { mode: 0o600 });
    const settings = `privkey = "file:/x"\nsocket = "/x"\nstate-directory = ${JSON.stringify(state)}\n`;
    writeFileSync(config, settings, { mode: 0o600 });
    for (const args of [
      ['pin', 'status', '--config', config],
      ['--config', config, 'pin', 'status'],
    ]) {
      const { code, stdout, stderr } = await runClavigerd(args);
      assert.equal(code, 0, stderr);
      assert.ok(stdout.startsWith(`${latch} (damaged)`), `${args.join(' ')}: ${stdout}`);
    }
    for (const args of [
      ['policy', 'explain', '--config', config],
      ['--config', config, 'policy', 'explain'],
    ]) {
      assert.equal((await runClavigerd(args)).stdout, 'the configuration has no policy\n');
    }
    assert.equal((await runClavigerd(['pin', 'status', '--config=/nonexistent'])).code, 2);
  });

  it('are refused where they mean nothing', async () => {
    for (const args of [
      ['pin', 'status', '--stdio'],
      ['audit', 'show', '--quiet'],
      ['policy', 'explain', '--check'],
    ]) {
      const { code, stderr } = await runClavigerd(args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, /unknown option/);
    }
  });

  it('are shown by help', async () => {
    for (const group of ['key', 'pin', 'audit', 'policy']) {
      const { code, stdout } = await runClavigerd(['help', group]);
      assert.equal(code, 0, group);
      assert.ok(stdout.startsWith(`Usage: clavigerd ${group} `), stdout);
    }
  });
});
