// The configuration of docs/guides/restricting-clients.md: `--check`, `policy explain` and `policy
// test` say of it what the guide shows, and under systemd it serves the sockets that it is passed.

import assert from 'node:assert/strict';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'smol-toml';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { askOnce, orderFor } from '../../support/daemon/daemon-sections.js';
import { adapt, blocksOf } from '../../support/guide.js';
import { asUser } from '../../support/other-user.js';
import { runCommand, startProcess, type CommandResult } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import {
  DAEMON,
  daemonConfig,
  GUIDE,
  LETS_ENCRYPT,
  makeFolders,
  oneBlock,
} from '../../support/restricting-guide.js';
import type { Scope } from '../../support/scope.js';
import { TRANSCRIPT_VARIABLE } from '../../support/transcript.js';

describe('what the guide shows of its configuration', () => {
  const pin = /^csr-keys = \["(\w+)"\]$/m.exec(oneBlock('2. The configuration', 'toml'))?.[1] ?? '';
  const unchanged = { server: LETS_ENCRYPT, pin };

  async function writeConfig(scope: Scope): Promise<string> {
    const folder = await makeFolders(scope);
    const config = join(folder, 'etc/clavigerd.toml');
    await writeFile(config, daemonConfig(folder, unchanged), { mode: 0o640 });
    await chown(config, 0, DAEMON.id);
    return config;
  }

  /** The guide's command, as the user ID that is the daemon's here. */
  async function checkAsDaemon(shown: string, config: string): Promise<CommandResult> {
    const [, args = ''] = /^runuser -u clavigerd -- clavigerd (.*)$/.exec(shown) ?? [];
    // Without the option a user reads a file of their own, and not root's.
    const named = adapt(args, [['/etc/claviger/clavigerd.toml', config]]).split(' ');
    const [program = '', ...words] = asUser(DAEMON, [process.execPath, CLAVIGERD, ...named]);
    return await runCommand(program, words);
  }

  it('is what --check, policy explain and policy test say', async (t) => {
    const config = await writeConfig(t);
    const [tries = '', test = ''] = blocksOf(GUIDE, '3. Trying the policy', 'sh');
    const [explained, judged] = blocksOf(GUIDE, '3. Trying the policy', 'text');
    const requests = join(config, '../requests.json');
    await writeFile(requests, oneBlock('3. Trying the policy', 'request'));
    const run = (command: string): Promise<CommandResult> => {
      const [program, ...args] = command.trim().replace('requests.json', requests).split(' ');
      assert.equal(program, 'clavigerd');
      return runClavigerd([...args, `--config=${config}`]);
    };
    const [check = '', explain = ''] = tries.trim().split('\n');
    const checked = await checkAsDaemon(check, config);
    assert.equal(checked.code, 0, checked.stderr);
    assert.deepEqual(Object.keys(parse(checked.stdout)['policy'] ?? {}), ['issue', 'web1']);
    assert.equal((await run(explain)).stdout, explained);
    const tested = await run(test);
    assert.deepEqual([tested.code, tested.stdout], [1, judged]);
  });

  it('holds under systemd too, with its sockets by name', async (t) => {
    const folder = await makeFolders(t);
    const config = join(folder, 'etc/clavigerd.toml');
    const text = daemonConfig(folder, { server: 'https://ca.example', pin });
    const sections = oneBlock('Under systemd', 'toml');
    const listening = /^\[\[listen\]\][^]*?(?=^\[policy)/m;
    assert.match(text, listening);
    await writeFile(config, text.replace(listening, `${sections}\n`), { mode: 0o600 });
    const names = ['admin', 'renew', 'web1'];
    const socketOf = (name: string): string => join(folder, 'run', name);
    const [command = '', ...args] = asUser(DAEMON, [
      'systemd-socket-activate',
      ...names.map((name) => `--listen=${socketOf(name)}`),
      `--fdname=${names.join(':')}`,
      `--setenv=${TRANSCRIPT_VARIABLE}`,
      process.execPath,
      CLAVIGERD,
      `--config=${config}`,
    ]);
    await startProcess(t, { command, args, waitFor: { socket: socketOf('web1') } });
    const ask = (socket: string, name: string): Promise<string> =>
      askOnce(t, socketOf(socket), orderFor(name));
    assert.equal(await ask('web1', 'www.example.org'), 'signed');
    assert.match(await ask('web1', 'mail.example.org'), /"rule":"web1\.identifiers"/);
    assert.equal(await ask('renew', 'mail.example.org'), 'signed');
    assert.match(await ask('renew', 'vpn.example.org'), /"rule":"issue\.deny\.identifiers"/);
    assert.equal(await ask('admin', 'vpn.example.org'), 'signed');
  });
});
