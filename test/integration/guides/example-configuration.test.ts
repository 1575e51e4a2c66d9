// docs/examples/clavigerd.toml, as somebody copies it to /etc: right as it stands, with what it has
// commented out, and in use from the registration of its account to a renewal.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { prepareClaviger } from '../../support/client/claviger.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { adapt } from '../../support/guide.js';
import { startPebble } from '../../support/client/pebble.js';
import { startProcess, type CommandResult } from '../../support/process.js';
import { CLAVIGERD, ROOT } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

const EXAMPLE = join(ROOT, 'docs/examples/clavigerd.toml');

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org';

/**
 * As somebody without the service's credentials looks at it, with the log in a folder of the test.
 */
async function run(scope: Scope, text: string, args: readonly string[]): Promise<CommandResult> {
  const folder = await makeTempDir(scope);
  const config = join(folder, 'clavigerd.toml');
  await writeFile(config, adapt(text, [['/var/log/claviger', folder]]), { mode: 0o600 });
  return await runClavigerd([...args, `--config=${config}`], {
    env: { CREDENTIALS_DIRECTORY: undefined },
  });
}

describe('the example configuration', () => {
  it('passes --check, and keeps an audit log', async (t) => {
    const { code, stdout, stderr } = await run(t, await readFile(EXAMPLE, 'utf8'), ['--check']);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    assert.match(stdout, /^# pin-source: the credential pin is there for the service alone$/m);
    const settings = parse(stdout);
    const { 'audit-log': log } = settings;
    assert.ok(typeof log === 'string' && log.endsWith('/audit.jsonl'));
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
    assert.match(
      stdout,
      /allows read, find-account, new-account, new-order, answer-challenge and finalize\.$/m,
    );
    assert.match(stdout, /only example\.org or names one label below example\.org\.$/m);
  });

  it('serves an account from its registration to a renewal', async (t) => {
    const pebble = await startPebble(t);
    const hsm = await createSoftHsm(t);
    const token = await hsm.addToken('acme');
    await hsm.addKey(token, { label: 'account', id: '01', type: 'EC:prime256v1' });
    const folder = await makeTempDir(t, 'cve-');
    await writeFile(join(folder, 'pin'), token.pin, { mode: 0o600 });
    const text = adapt(await readFile(EXAMPLE, 'utf8'), [
      ['/var/log/claviger', folder],
      [LETS_ENCRYPT, new URL(pebble.directoryUrl).origin],
    ]);
    const config = join(folder, 'clavigerd.toml');
    const socket = join(folder, 'S');
    await writeFile(config, text, { mode: 0o600 });
    await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--config=${config}`, `--socket=${socket}`],
      env: { ...hsm.env, CREDENTIALS_DIRECTORY: folder },
      waitFor: { socket },
    });
    const files = `key = "${folder}/www.key"\nfullchain = "${folder}/www.pem"\n`;
    const section = `[[certificate]]\nnames = ["www.example.org"]\n${files}`;
    const claviger = await prepareClaviger(t, pebble, { socket }, section);
    for (const args of [
      ['account', 'register', '--agree-tos', '--contact=mailto:admin@example.org'],
      ['renew'],
      ['renew', 'www.example.org', '--force'],
    ]) {
      const { code, stderr } = await claviger.run(args);
      assert.equal(code, 0, stderr);
    }
    const other = await claviger.run(['issue', 'www.example.net', '--key=k', '--fullchain=f']);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /policy 'issue' does not allow new-order for www\.example\.net/);
  });
});
