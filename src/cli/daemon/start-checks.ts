// What `clavigerd --check` checks beyond the text of the configuration: the files, folders and
// sources that the start would need, as this user. Runs in clavigerd, which ends after it. Nothing
// is made, no token is opened, no PIN is tried or asked for.

import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AccountConfig } from '../../config/daemon/account-settings.js';
import type { ClavigerdConfig } from '../../config/daemon/config.js';
import { checkKeyReplica } from '../../keys/key-preflight.js';
import { systemCodeOf } from '../../lib/errors.js';
import { pathTrouble } from '../../sys/files/path-trouble.js';
import { assertPrivateDirectory, assertSocketPath } from '../../sys/files/safe-path.js';
import { effectiveUserId } from '../../sys/user.js';

interface StartFindings {
  /** Each would end the start. */
  readonly problems: readonly unknown[];
  /** What could not be looked at. */
  readonly notes: readonly string[];
}

/** Checks everything, also after the first problem. */
export async function checkStart(config: ClavigerdConfig): Promise<StartFindings> {
  const problems: unknown[] = [];
  const notes: string[] = [];
  const attempt = async (check: () => void | Promise<void>): Promise<void> => {
    try {
      await check();
    } catch (error) {
      problems.push(error);
    }
  };
  const accounts = config.accounts.filter(({ name }) =>
    config.listeners.some(({ account }) => account === name),
  );
  for (const account of accounts) {
    for (const privkey of account.privkeys) {
      await attempt(() =>
        checkKeyReplica(privkey, keyContext(account), (text) => notes.push(text)),
      );
    }
  }
  for (const { place } of config.listeners) {
    if (place.kind === 'socket') {
      await attempt(() => {
        assertSocketPath(place.path, effectiveUserId());
      });
    }
  }
  await attempt(() => {
    checkFolders(config);
  });
  return { problems, notes };
}

function checkFolders({ logfile, auditLog, stateDirectory }: ClavigerdConfig): void {
  if (logfile !== undefined) {
    assertWritableFile('log file', logfile);
  }
  if (auditLog !== undefined) {
    assertPrivateDirectory(dirname(auditLog), effectiveUserId());
    assertWritableFile('audit log', auditLog);
  }
  if (stateDirectory !== '') {
    checkStateDirectory(stateDirectory);
  }
}

/** One that is not there is made by the start, with the folders above it. */
function checkStateDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) {
    assertPrivateDirectory(path, effectiveUserId());
    return;
  }
  let above = dirname(path);
  while (above !== '/' && statSync(above, { throwIfNoEntry: false }) === undefined) {
    above = dirname(above);
  }
  assertAccess('state directory', above, constants.W_OK | constants.X_OK);
}

/** The file, or where it is not there yet the folder that it would be made in. */
function assertWritableFile(what: string, path: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') {
      throw pathTrouble(what, path, error);
    }
    assertAccess(what, dirname(path), constants.W_OK | constants.X_OK);
  }
}

function assertAccess(what: string, path: string, access: number): void {
  try {
    accessSync(path, access);
  } catch (error) {
    throw pathTrouble(what, path, error, 'make the folder, for the user this runs as');
  }
}

function keyContext({ pinSource, pinentryCommand, gpgCommand, openpgpKey }: AccountConfig) {
  return { env: process.env, pinSource, pinentry: pinentryCommand, gpg: gpgCommand, openpgpKey };
}
