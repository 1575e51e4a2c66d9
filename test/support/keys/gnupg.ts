// GnuPG for a test: a home of its own with its own gpg-agent, which ends with the scope. Used by
// test processes only. Passphrases are random, in files, and noted as secrets.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, runCommand, type CommandResult } from '../process.js';
import { atEnd, type Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';
import { recordSecret } from '../transcript.js';

const END_TIMEOUT_MS = 10_000;
const POLL_MS = 10;

/** Algorithms as gpg names them: of the primary key, and of the subkey that decrypts. */
export const GPG_KEY_TYPES = {
  Curve25519: ['ed25519', 'cv25519'],
  'NIST P-256': ['nistp256', 'nistp256'],
  RSA: ['rsa2048', 'rsa2048'],
} as const;

export type GpgKeyType = keyof typeof GPG_KEY_TYPES;

export interface Passphrase {
  readonly text: string;
  /** File that holds it, mode 0600. */
  readonly file: string;
}

export interface Gnupg {
  /** GNUPGHOME. */
  readonly home: string;
  /** Folder for files of the test. */
  readonly folder: string;
  readonly env: Readonly<{ GNUPGHOME: string }>;
  addPassphrase(): Passphrase;
  /** Makes a key with a subkey for encryption; gives its user ID. */
  addKey(type: GpgKeyType, passphrase: Passphrase): Promise<string>;
  /** Runs gpg in batch mode, which must succeed. */
  run(...args: readonly string[]): Promise<string>;
  /** Encrypts text by gpg with these options; gives the file. */
  encrypt(text: string, ...args: readonly string[]): Promise<string>;
  /** Writes the secret key, protected by its passphrase; gives the file. */
  exportSecretKey(
    user: string,
    passphrase: Passphrase,
    ...args: readonly string[]
  ): Promise<string>;
  /** Ends gpg-agent, which keeps passphrases. */
  forget(): Promise<CommandResult>;
}

/** An empty GnuPG home. */
export async function createGnupg(scope: Scope): Promise<Gnupg> {
  const folder = await makeTempDir(scope, 'cvg-');
  const home = join(folder, 'h');
  await mustRun('mkdir', ['-m', '700', home]);
  // Otherwise gpg-agent measures for seconds how often it can hash, and hashes that often.
  writeFileSync(join(home, 'gpg-agent.conf'), 's2k-count 65536\n');
  const env = { GNUPGHOME: home };
  const forget = (): Promise<CommandResult> => runCommand('gpgconf', ['--kill', 'all'], { env });
  atEnd(scope, async () => {
    await forget();
  });
  let files = 0;
  const newFile = (suffix: string): string => join(folder, `${++files}${suffix}`);
  const run: Gnupg['run'] = (...args) =>
    mustRun('gpg', ['--batch', '--quiet', '--pinentry-mode', 'loopback', ...args], { env });
  return {
    home,
    folder,
    env,
    run,
    forget,
    addPassphrase(): Passphrase {
      const text = `pässe ${randomBytes(9).toString('hex')}`;
      recordSecret(text);
      const file = newFile('.passphrase');
      writeFileSync(file, `${text}\n`, { mode: 0o600 });
      return { text, file };
    },
    async addKey(type, passphrase): Promise<string> {
      const [primary, subkey] = GPG_KEY_TYPES[type];
      const user = `${randomBytes(6).toString('hex')}@example.org`;
      const asked = ['--passphrase-file', passphrase.file];
      await run(...asked, '--quick-gen-key', user, primary, 'sign', 'never');
      const listing = await run('--with-colons', '--list-secret-keys', user);
      const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(listing)?.[1] ?? '';
      await run(...asked, '--quick-add-key', fingerprint, subkey, 'encr', 'never');
      return user;
    },
    async encrypt(text, ...args): Promise<string> {
      const plain = newFile('.plain');
      const path = newFile('.gpg');
      writeFileSync(plain, text, { mode: 0o600 });
      await run('--trust-model', 'always', '--output', path, ...args, plain);
      return path;
    },
    async exportSecretKey(user, passphrase, ...args): Promise<string> {
      const path = newFile('.key');
      const asked = ['--passphrase-file', passphrase.file];
      await run(...asked, ...args, '--output', path, '--export-secret-keys', user);
      return path;
    },
  };
}

/** The `gpg` setting that has gpg read a passphrase from a file. */
export function gpgCommand({ file }: Passphrase, ...options: string[]): [string, ...string[]] {
  const loopback = ['--pinentry-mode', 'loopback', '--passphrase-file', file];
  return ['gpg', '--quiet', '--batch', ...loopback, ...options];
}

/** Waits until a process that was killed is gone. */
export async function waitForEndOf(pid: number): Promise<void> {
  const deadline = Date.now() + END_TIMEOUT_MS;
  while (isRunning(pid)) {
    if (Date.now() > deadline) {
      throw new Error(`process ${pid} goes on`);
    }
    await sleep(POLL_MS);
  }
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
