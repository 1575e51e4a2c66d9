// docs/examples/clavigerd.toml, as somebody copies it to /etc: right as it stands, and with what it has commented out.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { runClavigerd } from '../support/clavigerd.js';
import type { CommandResult } from '../support/process.js';
import { ROOT } from '../support/programs.js';
import type { Scope } from '../support/scope.js';
import { makeTempDir } from '../support/temp-dir.js';

const EXAMPLE = join(ROOT, 'docs/examples/clavigerd.toml');

async function run(scope: Scope, text: string, args: readonly string[]): Promise<CommandResult> {
  const config = join(await makeTempDir(scope), 'clavigerd.toml');
  await writeFile(config, text, { mode: 0o600 });
  const env = { CREDENTIALS_DIRECTORY: '/run/credentials/clavigerd.service' };
  return await runClavigerd([...args, `--config=${config}`], { env });
}

describe('the example configuration', () => {
  it('passes --check, and keeps an audit log', async (t) => {
    const { code, stdout, stderr } = await run(t, await readFile(EXAMPLE, 'utf8'), ['--check']);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    const settings = parse(stdout);
    assert.equal(settings['audit-log'], '/var/log/claviger/audit.jsonl');
    assert.equal(settings['audit-durable'], false);
    assert.equal(settings['keyid'], undefined);
  });

  it('passes with what it has commented out', async (t) => {
    const text = await readFile(EXAMPLE, 'utf8');
    const full = text.replaceAll(/^#(?=\S)/gm, '');
    assert.notEqual(full, text);
    const { code, stdout, stderr } = await run(t, full, ['--check']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^keyid = "https:/m);
  });

  it('holds its socket to a policy that explains itself', async (t) => {
    const text = await readFile(EXAMPLE, 'utf8');
    const { code, stdout, stderr } = await run(t, text, ['policy', 'explain']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^policy issue, account default \(listeners: /);
    assert.match(stdout, /allows read, find-account, new-order, answer-challenge and finalize\.$/m);
    assert.match(stdout, /only example\.org or names one label below example\.org\.$/m);
  });
});
