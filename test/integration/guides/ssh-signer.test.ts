// The signer on another machine: claviger reaches clavigerd through a real sshd, in each of the
// three ways the README gives, and gets a certificate.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeKey } from '../../support/keys/keys.js';
import { type Pebble, startPebble } from '../../support/client/pebble.js';
import { type RunningProcess, runCommand, startProcess } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD } from '../../support/programs.js';
import { type Scope, suiteScope } from '../../support/scope.js';
import { type Sshd, startSshd } from '../../support/daemon/sshd.js';
import { makeTempDir } from '../../support/temp-dir.js';

const NAME = 'www.ssh.example';
const ISSUE_TIMEOUT_MS = 60_000;

describe('signer over ssh', () => {
  const scope = suiteScope();
  let folder = '';
  let pebble: Pebble;
  let sshd: Sshd;
  let daemonSocket = '';

  before(async () => {
    folder = await makeTempDir(scope);
    pebble = await startPebble(scope);
    await writeFile(join(folder, 'account.pem'), makeKey('ES256').pem, { mode: 0o600 });
    const config = join(folder, 'clavigerd.toml');
    await writeFile(config, `privkey = "file:${join(folder, 'account.pem')}"\n`, { mode: 0o600 });
    const stdio = `${process.execPath} ${CLAVIGERD} --stdio --quiet --config=${config}`;
    sshd = await startSshd(scope, {
      folder: await makeTempDir(scope),
      hosts: { gateway: 'restrict,port-forwarding', signer: `restrict,command="${stdio}"` },
    });
    daemonSocket = join(folder, 'S.claviger');
    await startProcess(scope, {
      command: process.execPath,
      args: [CLAVIGERD, `--config=${config}`, `--socket=${daemonSocket}`],
      waitFor: { socket: daemonSocket },
    });
    await claviger(['account', 'register', '--agree-tos', `--socket=${daemonSocket}`]);
  });

  async function claviger(args: readonly string[]): Promise<void> {
    const common = [`--server=${pebble.directoryUrl}`, `--server-ca-file=${pebble.caFile}`];
    const result = await runCommand(process.execPath, [CLAVIGER, ...args, ...common], {
      env: { HOME: folder, XDG_CONFIG_HOME: folder },
      timeoutMs: ISSUE_TIMEOUT_MS,
    });
    assert.equal(result.code, 0, result.stdout + result.stderr);
  }

  /** Has a certificate issued, with the signer reached as these options say. */
  async function issue(scope: Scope, signerOption: string): Promise<void> {
    const target = await makeTempDir(scope);
    const certificate = join(target, 'fullchain.pem');
    await claviger([
      'issue',
      NAME,
      `--key=${join(target, 'server.key')}`,
      `--fullchain=${certificate}`,
      `--listen=127.0.0.1:${pebble.httpPort}`,
      `--ca-file=${pebble.rootCaFile}`,
      signerOption,
    ]);
    const leaf = new X509Certificate(await readFile(certificate, 'utf8'));
    assert.equal(leaf.subjectAltName, `DNS:${NAME}`);
  }

  /** Starts an ssh that only forwards, and waits for the socket it makes. */
  async function forward(
    scope: Scope,
    args: readonly string[],
    socket: string,
  ): Promise<RunningProcess> {
    return await startProcess(scope, {
      command: 'ssh',
      args: ['-F', sshd.config, '-N', '-o', 'StreamLocalBindMask=0177', ...args, 'gateway'],
      waitFor: { socket },
    });
  }

  /** Issues, and again over a new connection, which finds the socket of the first one. */
  async function twice(scope: Scope, args: readonly string[], socket: string): Promise<void> {
    for (const time of ['first', 'second']) {
      const ssh = await forward(scope, args, socket);
      assert.equal((await stat(socket)).mode & 0o777, 0o600, time);
      await issue(scope, `--socket=${socket}`);
      // As when the connection is lost: nobody removes the socket.
      ssh.signal('SIGKILL');
      await ssh.waitForExit();
      while (await isListening(socket)) {
        await sleep(20); // the other end is about to see that the connection is gone
      }
    }
  }

  it('issues through a socket forwarded from here to there (-R)', async (t) => {
    const remote = join(await makeTempDir(t), 'S.claviger');
    await twice(t, ['-R', `${remote}:${daemonSocket}`], remote);
  });

  it('issues through a socket forwarded from there to here (-L)', async (t) => {
    const local = join(await makeTempDir(t), 'S.claviger');
    const unlink = ['-o', 'StreamLocalBindUnlink=yes'];
    await twice(t, [...unlink, '-L', `${local}:${daemonSocket}`], local);
  });

  it('issues through a daemon that ssh starts behind a forced command', async (t) => {
    await issue(t, `--signer-command=ssh -F ${sshd.config} -T signer clavigerd --stdio`);
  });

  it('gives the forced command whatever else is asked for', async () => {
    const result = await runCommand(
      'ssh',
      ['-F', sshd.config, '-T', 'signer', 'cat', '/etc/shadow'],
      {
        input: '',
      },
    );
    assert.match(result.stdout, /^1 OK \{.*\}\r\n\{"crv":"P-256",.*\}\r\n$/);
  });

  it('gives a key with a forced command no way through to the network', async () => {
    const target = new URL(pebble.directoryUrl);
    const result = await runCommand(
      'ssh',
      ['-F', sshd.config, '-o', 'LogLevel=INFO', '-W', `127.0.0.1:${target.port}`, 'signer'],
      { input: '' },
    );
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /administratively prohibited/);
  });

  it('fails when the forwarded daemon is gone', async (t) => {
    const remote = join(await makeTempDir(t), 'S.claviger');
    await forward(t, ['-R', `${remote}:${join(folder, 'nobody-listens')}`], remote);
    const result = await runCommand(
      process.execPath,
      [
        ...[CLAVIGER, 'account', 'show', `--socket=${remote}`],
        ...[`--server=${pebble.directoryUrl}`, `--server-ca-file=${pebble.caFile}`],
      ],
      { env: { HOME: folder, XDG_CONFIG_HOME: folder } },
    );
    assert.equal(result.code, 1, result.stdout);
    assert.match(result.stderr, /^claviger: error: /m);
  });
});

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      resolve(false);
    });
  });
}
