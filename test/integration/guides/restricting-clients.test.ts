// The set-up of docs/guides/restricting-clients.md, from its own text: a daemon with an admin
// socket, one for the group of the user that renews, and one that ssh forwards to a web server.
// Each client gets what is its own and nothing of the others. Real users, sockets, sshd and CA.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { readRecords } from '../../support/audit/audit-chain.js';
import { startPebble, type Pebble } from '../../support/client/pebble.js';
import { runClavigerd } from '../../support/daemon/clavigerd.js';
import { startSshd, type Sshd } from '../../support/daemon/sshd.js';
import { adapt, blocksOf } from '../../support/guide.js';
import { asUser, type OtherUser } from '../../support/other-user.js';
import { mustRun, runCommand, startProcess, type CommandResult } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD } from '../../support/programs.js';
import { makeServerKey } from '../../support/requests/tight-policy.js';
import {
  DAEMON,
  daemonConfig,
  GROUP,
  GUIDE,
  makeFolders,
  oneBlock,
  RENEWER,
  STRANGER,
} from '../../support/restricting-guide.js';
import { suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

describe('the set-up of the guide', () => {
  const scope = suiteScope();
  let pebble: Pebble;
  let sshd: Sshd;
  let folder = '';
  let config = '';
  let common: readonly string[] = [];

  before(async () => {
    folder = await makeFolders(scope);
    pebble = await startPebble(scope, { nonceReject: 0 });
    sshd = await startSshd(scope, {
      folder: await makeTempDir(scope),
      hosts: { web1: 'restrict,port-forwarding' },
    });
    const key = await makeServerKey(join(folder, 'web1/www.key'), 'p256');
    await chmod(key, 0o600);
    const [command = ''] = blocksOf(GUIDE, 'Pinning the key', 'sh');
    const pin = await mustRun('sh', ['-c', adapt(command, [['/etc/ssl/private/www.key', key]])]);
    config = join(folder, 'etc/clavigerd.toml');
    const { origin: server } = new URL(pebble.directoryUrl);
    await writeFile(config, daemonConfig(folder, { server, pin: pin.trim() }), { mode: 0o644 });
    const [program = '', ...args] = asUser(DAEMON, [
      process.execPath,
      CLAVIGERD,
      `--config=${config}`,
    ]);
    await startProcess(scope, {
      command: program,
      args,
      waitFor: { socket: join(folder, 'run/web1') },
    });
    const clientConfig = join(folder, 'etc/claviger.toml');
    await writeFile(
      clientConfig,
      clientSettings(pebble) +
        adapt(oneBlock('5. The renewal user', 'toml'), [
          ['/run/claviger', join(folder, 'run')],
          ['/var/lib/acme', join(folder, 'acme')],
        ]),
      { mode: 0o644 },
    );
    common = [`--config=${clientConfig}`];
    const registered = await asRoot(oneBlock('4. The administrator', 'sh'));
    assert.equal(registered.code, 0, registered.stderr);
  });

  /** A `claviger` command of the guide as root of the host, or of the other host. */
  async function asRoot(command: string, more: readonly string[] = []): Promise<CommandResult> {
    const [program, ...args] = command
      .trim()
      .replaceAll('/run/claviger/S', join(folder, 'web1/S'))
      .replaceAll('/run/claviger', join(folder, 'run'))
      .replaceAll('/etc/ssl/private', join(folder, 'web1'))
      .replaceAll('/etc/ssl/certs', join(folder, 'web1'))
      .split(' ');
    assert.equal(program, 'claviger');
    return await runCommand(process.execPath, [CLAVIGER, ...args, ...more, ...common]);
  }

  async function clavigerAs(user: OtherUser, ...args: readonly string[]): Promise<CommandResult> {
    const [program = '', ...words] = asUser(user, [process.execPath, CLAVIGER, ...args, ...common]);
    return await runCommand(program, words, { cwd: join(folder, 'acme') });
  }

  async function assertCertificate(path: string, names: readonly string[]): Promise<void> {
    const leaf = new X509Certificate(await readFile(path, 'utf8'));
    assert.deepEqual(
      leaf.subjectAltName?.split(', ').sort(),
      names.map((name) => `DNS:${name}`),
    );
  }

  function assertRefused(result: CommandResult, error: RegExp): void {
    assert.equal(result.code, 1, result.stderr);
    assert.match(result.stderr, error);
  }

  it('has sockets of those users and modes', async () => {
    const rightsOf = async (name: string): Promise<readonly unknown[]> => {
      const { mode, uid, gid } = await stat(join(folder, 'run', name));
      return [(mode & 0o777).toString(8), uid, gid];
    };
    assert.deepEqual(await rightsOf('admin'), ['600', DAEMON.id, DAEMON.id]);
    assert.deepEqual(await rightsOf('renew'), ['660', DAEMON.id, GROUP]);
    assert.deepEqual(await rightsOf('web1'), ['600', DAEMON.id, DAEMON.id]);
  });

  it('lets the administrator manage the account and revoke', async () => {
    const socket = join(folder, 'run/admin');
    const contact = ['--contact', 'mailto:other@example.org', '--socket', socket];
    const changed = await asRoot('claviger account register --agree-tos', contact);
    assert.equal(changed.code, 0, changed.stderr);
    const files = ['--key', join(folder, 'web1/r.key'), '--fullchain', join(folder, 'web1/r.pem')];
    const issued = await asRoot('claviger issue vpn.example.org', [...files, '--socket', socket]);
    assert.equal(issued.code, 0, issued.stderr);
    const revoke = `claviger revoke ${join(folder, 'web1/r.pem')}`;
    const revoked = await asRoot(revoke, ['--socket', socket]);
    assert.equal(revoked.code, 0, revoked.stderr);
  });

  it('lets the user that renews do that, and nothing else', async () => {
    const renewed = await clavigerAs(RENEWER, 'renew');
    assert.equal(renewed.code, 0, renewed.stderr);
    const pem = join(folder, 'acme/mail.pem');
    await assertCertificate(pem, ['example.org', 'mail.example.org']);
    assert.equal((await stat(pem)).uid, RENEWER.id);

    const issue = (...names: readonly string[]): Promise<CommandResult> =>
      clavigerAs(RENEWER, 'issue', ...names, '--key=new.key', '--fullchain=new.pem');
    const denied = await issue('www.example.org', 'vpn.example.org');
    assert.equal(denied.code, 1);
    assert.ok(
      denied.stderr.includes(`\n${oneBlock('5. The renewal user', 'text')}`),
      denied.stderr,
    );
    assertRefused(await issue('example.com'), /policy 'issue' does not allow new-order for exam/);
    assertRefused(
      await clavigerAs(RENEWER, 'revoke', pem),
      /the signer's policy 'issue' does not allow revoke-certificate$/m,
    );
    assertRefused(
      await clavigerAs(RENEWER, 'account', 'register', '--contact=mailto:x@example.org'),
      /the signer's policy 'issue' does not allow update-account$/m,
    );
    for (const name of ['admin', 'web1']) {
      const socket = `--socket=${join(folder, 'run', name)}`;
      const shut = await clavigerAs(RENEWER, 'account', 'show', socket);
      assertRefused(shut, /EACCES.*\n.*hint: the mode and the group of the socket/);
    }
  });

  it('lets nobody else in', async () => {
    for (const name of ['admin', 'renew', 'web1']) {
      const socket = `--socket=${join(folder, 'run', name)}`;
      assertRefused(await clavigerAs(STRANGER, 'account', 'show', socket), /EACCES/);
    }
  });

  it('lets the web server issue for its name and key, over ssh', async (t) => {
    const remote = join(folder, 'web1/S');
    const [ssh = '', issue = ''] = blocksOf(GUIDE, '6. The web server', 'sh');
    const [program = '', ...args] = adapt(ssh, [
      ['/run/claviger/S', remote],
      ['/run/claviger/web1', join(folder, 'run/web1')],
      ['root@www.example.org', 'web1'],
    ])
      .trim()
      .split(' ');
    await startProcess(t, {
      command: program,
      args: ['-F', sshd.config, ...args],
      waitFor: { socket: remote },
    });
    assert.equal((await stat(remote)).mode & 0o777, 0o600);
    const issued = await asRoot(issue);
    assert.equal(issued.code, 0, issued.stderr);
    await assertCertificate(join(folder, 'web1/www.pem'), ['www.example.org']);

    const [, ofCertificate = ''] = blocksOf(GUIDE, 'Pinning the key', 'sh');
    const pem = join(folder, 'web1/www.pem');
    const pin = await mustRun('sh', [
      '-c',
      adapt(ofCertificate, [['/etc/ssl/certs/www.pem', pem]]),
    ]);
    assert.ok((await readFile(config, 'utf8')).includes(`"${pin.trim()}"`));

    const other = issue.replace('www.example.org', 'mail.example.org');
    assertRefused(await asRoot(other), /policy 'web1' does not allow new-order for mail\.example/);
    const two = issue.replace('www.example.org', 'www.example.org mail.example.org');
    assertRefused(
      await asRoot(two),
      /policy 'web1' allows at most 1 name in a request, and this has more/,
    );
    const foreign = issue.replace('www.key', 'foreign.key');
    assertRefused(await asRoot(foreign), /policy 'web1' does not allow the key of the CSR, \w{64}/);
    const socket = ['--socket', remote];
    assertRefused(
      await asRoot('claviger account register --contact mailto:x@example.org', socket),
      /policy 'web1' does not allow update-account/,
    );
    assertRefused(
      await asRoot(`claviger revoke ${pem}`, socket),
      /policy 'web1' does not allow revoke-certificate/,
    );
  });

  it('has a record of each of these, in a chain that holds', async () => {
    const log = join(folder, 'log/audit.jsonl');
    const records = readRecords(log).filter(({ event }) => event === 'decision');
    const rules = (listener: string): unknown[] => [
      ...new Set(
        records
          .filter((record) => record.listener === listener && record.verdict === 'denied')
          .map(({ rule }) => rule),
      ),
    ];
    assert.deepEqual(rules('admin'), []);
    assert.deepEqual(rules('renew').sort(), [
      'issue.deny.identifiers',
      'issue.identifiers',
      'issue.operations',
    ]);
    assert.deepEqual(rules('web1').sort(), [
      'web1.csr-keys',
      'web1.identifiers',
      'web1.max-identifiers',
      'web1.operations',
    ]);
    const commands = oneBlock('7. Looking', 'sh').trim().split('\n');
    for (const [at, pattern] of [
      /web1\/\d+ +new-order +.*mail\.example\.org/,
      /new-order/,
      /the chain holds\nhead \d+:[0-9a-f]{64}$/m,
    ].entries()) {
      const [program, ...args] = (commands[at] ?? '')
        .replace('/var/log/claviger/audit.jsonl*', log)
        .split(' ');
      assert.equal(program, 'clavigerd');
      const isOfConfig = !args.includes(log);
      const result = await runClavigerd([...args, ...(isOfConfig ? [`--config=${config}`] : [])]);
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.stdout, pattern);
    }
  });
});

function clientSettings(pebble: Pebble): string {
  return [
    `server = "${pebble.directoryUrl}"`,
    `server-ca-file = "${pebble.caFile}"`,
    `ca-file = "${pebble.rootCaFile}"`,
    `listen = "127.0.0.1:${pebble.httpPort}"\n`,
  ].join('\n');
}
