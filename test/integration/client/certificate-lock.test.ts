// Two runs of claviger for one certificate at once: the second leaves the first alone and says who
// that is.

import assert from 'node:assert/strict';
import { appendFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareIssue } from '../../support/client/claviger-issue.js';
import { freePort } from '../../support/free-port.js';
import { startProcess } from '../../support/process.js';
import { CLAVIGER } from '../../support/programs.js';
import { runClaviger } from '../../support/client/claviger.js';

describe('a second run for one certificate', () => {
  it('ends at once, names the first, and is not in the way of other certificates', async (t) => {
    let isHeld = false;
    const { folder, server, args, issue } = await prepareIssue(t, {
      misbehave: ({ endpoint }) => (isHeld && endpoint === 'newOrder' ? { hang: true } : undefined),
    });
    const config = join(folder, 'claviger.toml');
    const at = (name: string): string => JSON.stringify(join(folder, name));
    await appendFile(
      config,
      `[[certificate]]\nnames = ["a.test", "b.test"]\nkey = ${at('key.pem')}\n` +
        `cert = ${at('cert.pem')}\nfullchain = ${at('full.pem')}\n`,
    );
    isHeld = true;
    const first = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGER, ...args],
      cwd: folder,
    });
    for (let wait = 0; wait < 500 && !server.calls.includes('newOrder'); wait += 1) {
      await sleep(20);
    }
    assert.ok(server.calls.includes('newOrder'), first.stderr);
    isHeld = false;
    const told = new RegExp(
      `error: a\\.test: process ${first.pid}, since 20\\d\\d-\\S+ \\S+ UTC, is at work on this certificate\\n`,
    );
    const orders = server.calls.filter((call) => call === 'newOrder').length;
    for (const result of [
      await issue(),
      await runClaviger(['renew', `--config=${config}`], { cwd: folder }),
    ]) {
      assert.equal(result.code, 1, result.stderr);
      assert.match(result.stderr, told);
    }
    assert.equal(server.calls.filter((call) => call === 'newOrder').length, orders);
    const files = ['--cert=o.pem', '--chain=oc.pem', '--fullchain=of.pem', '--key=o.key'];
    const other = await issue(...files, `--listen=127.0.0.1:${await freePort()}`);
    assert.equal(other.code, 0, other.stderr);
    first.signal('SIGKILL');
    await first.exited;
    const third = await issue();
    assert.equal(third.code, 0, third.stderr);
    assert.ok((await readdir(join(folder, 'state'))).some((name) => name.startsWith('lock-')));
  });
});
