// Puts certificates and keys in place: whole files or none. Runs in the client's master.

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { createNewFile, replaceFiles, type NewFile } from '../sys/atomic-file.js';

/**
 * Checks that files can be put in place later: before a certificate is ordered, not after.
 * @throws AppError CLIENT_INSTALL
 */
export async function assertInstallable(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const directory = dirname(path);
    try {
      await access(directory, constants.W_OK | constants.X_OK);
    } catch (error) {
      const isMissing = systemCodeOf(error) === 'ENOENT';
      throw new AppError('CLIENT_INSTALL', `${path}: cannot be written: ${messageOf(error)}`, {
        hint: isMissing ? `create the folder: mkdir -p ${directory}` : undefined,
        cause: error,
      });
    }
    const existing = await stat(path).catch(() => undefined);
    if (existing !== undefined && !existing.isFile()) {
      throw new AppError('CLIENT_INSTALL', `${path}: is not a regular file`);
    }
  }
}

/**
 * Replaces files. All are written out before the first one is renamed, so a full disk changes nothing.
 * @throws AppError CLIENT_INSTALL
 */
export async function installFiles(files: readonly NewFile[]): Promise<void> {
  await replaceFiles(files).catch(throwInstallError);
}

/**
 * Creates a file that must not exist.
 * @throws AppError CLIENT_INSTALL
 */
export async function createFile(file: NewFile): Promise<void> {
  await createNewFile(file).catch(throwInstallError);
}

function throwInstallError(error: unknown): never {
  throw new AppError('CLIENT_INSTALL', messageOf(error), { cause: error });
}
