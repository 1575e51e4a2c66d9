// The machine of docs/guides/restricting-clients.md below a folder of a test: its users, its
// folders and its configuration, taken from its text. Used by test processes only, which run as
// root.

import assert from 'node:assert/strict';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adapt, blocksOf, readGuide } from './guide.js';
import { makeKey } from './keys/keys.js';
import type { OtherUser } from './other-user.js';
import type { Scope } from './scope.js';
import { makeTempDir } from './temp-dir.js';

export const GROUP = 47_111;
export const DAEMON: OtherUser = { id: 47_001, groups: [GROUP] };
export const RENEWER: OtherUser = { id: 47_002, groups: [GROUP] };
export const STRANGER: OtherUser = { id: 47_003, groups: [] };

export const GUIDE = readGuide('docs/guides/restricting-clients.md');
export const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org';

export function oneBlock(heading: string, language: string): string {
  const [text = '', ...more] = blocksOf(GUIDE, heading, language);
  assert.deepEqual(more, []);
  return text;
}

/** The folders of step 1, below one of the test's. */
export async function makeFolders(scope: Scope): Promise<string> {
  const folder = await makeTempDir(scope, 'cvg-');
  await chmod(folder, 0o711);
  for (const [name, mode, owner] of [
    ['etc', 0o755, 0],
    ['run', 0o711, DAEMON.id],
    ['log', 0o700, DAEMON.id],
    ['state', 0o700, DAEMON.id],
    ['acme', 0o700, RENEWER.id],
    ['web1', 0o700, 0],
  ] as const) {
    const path = join(folder, name);
    await mkdir(path);
    await chmod(path, mode);
    await chown(path, owner, owner);
  }
  const key = join(folder, 'etc/account.pem');
  await writeFile(key, makeKey('ES256').pem, { mode: 0o600 });
  await chown(key, DAEMON.id, DAEMON.id);
  return folder;
}

interface Changes {
  readonly server: string;
  readonly pin: string;
}

/** The daemon's configuration of step 2 in that folder. */
export function daemonConfig(folder: string, { server, pin }: Changes): string {
  const text = oneBlock('2. The configuration', 'toml');
  const shown = /^csr-keys = \["(\w+)"\]$/m.exec(text)?.[1] ?? 'no pin';
  return adapt(text, [
    ['pkcs11:token=acme;object=account?module-name=softhsm2', `file:${folder}/etc/account.pem`],
    ['pin-source = "file:/etc/claviger/pin"\n', ''],
    ['/var/lib/claviger', join(folder, 'state')],
    ['/var/log/claviger', join(folder, 'log')],
    ['/run/claviger', join(folder, 'run')],
    ['"acme"', String(GROUP)],
    [LETS_ENCRYPT, server],
    [shown, pin],
  ]);
}
