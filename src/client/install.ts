// Files written whole or not at all. Runs in the client's master.
// A reader sees the old file or the new one, also after a power cut: temporary file in the same
// folder, fsync, rename, fsync of the folder.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, link, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';

export interface NewFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly mode: number;
}

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
  const temporary: string[] = [];
  try {
    for (const file of files) {
      temporary.push(await writeTemporary(file));
    }
    for (const [at, file] of files.entries()) {
      await rename(temporary[at] ?? '', file.path);
    }
    await syncDirectories(files);
  } catch (error) {
    throw installError(error);
  } finally {
    await Promise.all(temporary.map((path) => unlink(path).catch(() => undefined)));
  }
}

/**
 * Creates a file that must not exist: link(2), unlike rename(2), never replaces one.
 * @throws AppError CLIENT_INSTALL
 */
export async function createFile(file: NewFile): Promise<void> {
  let temporary: string | undefined;
  try {
    temporary = await writeTemporary(file);
    await link(temporary, file.path);
  } catch (error) {
    throw installError(error);
  } finally {
    if (temporary !== undefined) {
      await unlink(temporary);
    }
  }
  await syncDirectories([file]);
}

async function writeTemporary(file: NewFile): Promise<string> {
  const suffix = randomBytes(6).toString('hex');
  const path = join(dirname(file.path), `.${basename(file.path)}.${suffix}.tmp`);
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(file.content);
    await handle.chmod(file.mode); // whatever the umask
    await handle.sync();
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await handle.close();
  }
  return path;
}

async function syncDirectories(files: readonly NewFile[]): Promise<void> {
  for (const directory of new Set(files.map(({ path }) => dirname(path)))) {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

function installError(error: unknown): AppError {
  return new AppError('CLIENT_INSTALL', messageOf(error), { cause: error });
}
