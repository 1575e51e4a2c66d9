// A real sshd on a loopback port, with its own configuration, keys and clients' configuration. Used
// by test processes only. Nothing of the machine's own ssh is read: no agent, no ~/.ssh, no
// /etc/ssh.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.js';
import { type RunningProcess, mustRun, startProcess } from '../process.js';
import type { Scope } from '../scope.js';

const SSHD = '/usr/sbin/sshd';
const PRIVILEGE_SEPARATION_DIR = '/run/sshd';

interface SshdOptions {
  /** An empty folder of the test. */
  readonly folder: string;
  /**
   * The hosts that `ssh -F <config>` knows. All are this sshd; each has a client key of its own,
   * with these options in authorized_keys (`restrict,command="..."`), or none for the empty string.
   */
  readonly hosts: Readonly<Record<string, string>>;
}

export interface Sshd {
  /** The client's configuration: `ssh -F <config> <host>`. */
  readonly config: string;
  readonly process: RunningProcess;
}

/** Starts an sshd for this user. It ends with the scope. */
export async function startSshd(scope: Scope, options: SshdOptions): Promise<Sshd> {
  const { folder, hosts } = options;
  const port = await freePort();
  const hostKey = await makeKey(folder, 'host-key');
  const authorized: string[] = [];
  for (const [host, keyOptions] of Object.entries(hosts)) {
    const publicKey = await makeKey(folder, `key-${host}`);
    authorized.push(`${keyOptions} ${publicKey}`.trim());
  }
  await write(folder, 'authorized_keys', authorized);
  await write(folder, 'known_hosts', [`[127.0.0.1]:${port} ${hostKey}`]);
  await write(folder, 'sshd_config', await serverLines(folder, port));
  await write(folder, 'ssh_config', clientLines(folder, port, Object.keys(hosts)));
  if (userInfo().uid === 0) {
    // As Debian's own service does at start; it stays, for another sshd may be using it.
    await mkdir(PRIVILEGE_SEPARATION_DIR, { recursive: true, mode: 0o755 });
  }
  const process = await startProcess(scope, {
    command: SSHD,
    args: ['-D', '-e', '-f', join(folder, 'sshd_config')],
    waitFor: { port },
  });
  return { config: join(folder, 'ssh_config'), process };
}

async function makeKey(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  await mustRun('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', path]);
  return (await readFile(`${path}.pub`, 'utf8')).trim();
}

async function write(folder: string, name: string, lines: readonly string[]): Promise<void> {
  await writeFile(join(folder, name), `${lines.join('\n')}\n`, { mode: 0o600 });
}

async function serverLines(folder: string, port: number): Promise<string[]> {
  return [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${join(folder, 'host-key')}`,
    `PidFile ${join(folder, 'sshd.pid')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    // The folder is this user's alone, but lies below one that everybody may write to.
    'StrictModes no',
    `UsePAM ${(await isAccountLocked()) ? 'yes' : 'no'}`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'AllowStreamLocalForwarding yes',
    // A forwarded signer is for the user who forwards it.
    'StreamLocalBindMask 0177',
    // As the README says: the socket of the connection before is in the way otherwise.
    'StreamLocalBindUnlink yes',
    'PrintMotd no',
    'PrintLastLog no',
    'UseDNS no',
    'LogLevel VERBOSE',
  ];
}

/** Without PAM, sshd takes a `!` in the password field for a locked account, whatever the key. */
async function isAccountLocked(): Promise<boolean> {
  const shadow = await readFile('/etc/shadow', 'utf8').catch(() => '');
  return shadow.split('\n').some((line) => line.startsWith(`${userInfo().username}:!`));
}

function clientLines(folder: string, port: number, hosts: readonly string[]): string[] {
  const common = [
    'Host *',
    '  HostName 127.0.0.1',
    `  Port ${port}`,
    `  User ${userInfo().username}`,
    '  IdentityAgent none',
    '  IdentitiesOnly yes',
    `  UserKnownHostsFile ${join(folder, 'known_hosts')}`,
    '  GlobalKnownHostsFile none',
    '  StrictHostKeyChecking yes',
    '  BatchMode yes',
    '  ConnectTimeout 10',
    '  ExitOnForwardFailure yes',
    '  LogLevel ERROR',
  ];
  const perHost = hosts.flatMap((host) => [
    `Host ${host}`,
    `  IdentityFile ${join(folder, `key-${host}`)}`,
  ]);
  return [...perHost, ...common];
}
