// PINs and passphrases asked for on a terminal: a real one, made by script(1).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { makeKey } from '../../support/keys/keys.js';
import { childrenOf, startProcess, type RunningProcess } from '../../support/process.js';
import { CLAVIGERD } from '../../support/programs.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { recordSecret } from '../../support/transcript.js';

const PASSPHRASE = 'gluëck-auf-4711';
recordSecret(PASSPHRASE);

const CONTROL_C = '\u0003';
const BACKSPACE = '\u007f';

/** The daemon with an encrypted key, on a terminal of its own; ready when it asks. */
async function startAsking(t: TestContext): Promise<{ terminal: RunningProcess; socket: string }> {
  const folder = await makeTempDir(t, 'cvt-');
  const path = join(folder, 'key.pem');
  const encrypted = execFileSync(
    'openssl',
    ['pkcs8', '-topk8', '-v2', 'aes-256-cbc', '-passout', 'env:PASSPHRASE'],
    { input: makeKey('ES256').pem, env: { ...process.env, PASSPHRASE } },
  );
  await writeFile(path, encrypted, { mode: 0o600 });
  const socket = join(folder, 'S');
  const command = `exec '${process.execPath}' '${CLAVIGERD}' --privkey=file:${path} --socket=${socket}`;
  const terminal = await startProcess(t, {
    command: 'script',
    args: ['--quiet', '--return', '--flush', '--command', command, '/dev/null'],
    stdin: true,
    waitFor: /Passphrase of /,
  });
  return { terminal, socket };
}

describe('a passphrase asked for on the terminal', () => {
  it('is not echoed, may be corrected, and opens the key', async (t) => {
    const { terminal, socket } = await startAsking(t);
    terminal.stdin.write(`${PASSPHRASE}é${BACKSPACE}x${BACKSPACE}\r`);
    await terminal.waitFor({ socket });
    await terminal.waitFor(/ready/);
    assert.doesNotMatch(terminal.output, /4711/);
    terminal.stdin.write(CONTROL_C);
    assert.equal((await terminal.waitForExit()).code, 130);
  });

  it('that is wrong ends the start with a clear error', async (t) => {
    const { terminal } = await startAsking(t);
    terminal.stdin.write('wrong\r');
    assert.equal((await terminal.waitForExit()).code, 2);
    assert.match(terminal.output, /the passphrase is wrong, or the file damaged/);
    assert.doesNotMatch(terminal.output, /wrong\r\n/);
  });

  it('may be refused by Control-C', async (t) => {
    const { terminal } = await startAsking(t);
    terminal.stdin.write(CONTROL_C);
    assert.equal((await terminal.waitForExit()).code, 130);
    assert.match(terminal.output, /prompt: interrupted/);
  });

  it('does not hold up SIGTERM', async (t) => {
    const { terminal } = await startAsking(t);
    const [daemon] = childrenOf(terminal.pid);
    assert.ok(daemon !== undefined);
    process.kill(daemon, 'SIGTERM');
    assert.equal((await terminal.waitForExit(10_000)).code, 0);
  });
});
