// Files that are there whole or not at all, also after a power cut. Any process.
// A temporary file in the same folder, fsync, then rename(2) or link(2), and fsync of the folder. Who
// calls it has checked the folder: nobody else can write there.

import { randomBytes } from 'node:crypto';
import { link, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface NewFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Whatever the umask. */
  readonly mode: number;
}

/** Puts files in the place of those at their paths. System errors come as Node throws them. */
export async function replaceFiles(files: readonly NewFile[]): Promise<void> {
  const temporary: string[] = [];
  try {
    // All are written out before the first one is renamed, so a full disk changes nothing.
    for (const file of files) {
      temporary.push(await writeTemporary(file));
    }
    for (const [at, file] of files.entries()) {
      await rename(temporary[at] ?? '', file.path);
    }
    await syncDirectoriesOf(files.map(({ path }) => path));
  } finally {
    await Promise.all(temporary.map((path) => unlink(path).catch(() => undefined)));
  }
}

/** Creates a file that must not exist (EEXIST): link(2), unlike rename(2), never replaces one. */
export async function createNewFile(file: NewFile): Promise<void> {
  const temporary = await writeTemporary(file);
  try {
    await link(temporary, file.path);
  } finally {
    await unlink(temporary);
  }
  await syncDirectoriesOf([file.path]);
}

/** Removes a file for good: after a power cut it is not back. */
export async function removeFile(path: string): Promise<void> {
  await unlink(path);
  await syncDirectoriesOf([path]);
}

async function writeTemporary(file: NewFile): Promise<string> {
  const suffix = randomBytes(6).toString('hex');
  const path = join(dirname(file.path), `.${basename(file.path)}.${suffix}.tmp`);
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(file.content);
    await handle.chmod(file.mode);
    await handle.sync();
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await handle.close();
  }
  return path;
}

async function syncDirectoriesOf(paths: readonly string[]): Promise<void> {
  for (const directory of new Set(paths.map((path) => dirname(path)))) {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}
