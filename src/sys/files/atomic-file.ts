// Writes files that are complete or absent, also after a power cut. Any process. A temporary file
// in the same folder, fsync, then rename(2) or link(2), and fsync of the folder. The caller has
// checked that no other user can write to the folder.

import { randomBytes } from 'node:crypto';
import { link, open, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface NewFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Whatever the umask. */
  readonly mode: number;
  /** Whom root gives it to; default: this process's user. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** True: nothing may be at the path yet (EEXIST), and nothing is ever replaced. */
  readonly isCreated?: boolean;
}

/**
 * Puts files in the place of those at their paths, in their order. System errors come as Node
 * throws them, and name the file also where Node does not: after open(2) it knows no path.
 */
export async function replaceFiles(files: readonly NewFile[]): Promise<void> {
  const temporary: string[] = [];
  try {
    // All are written out before the first one is renamed, so a full disk changes nothing.
    for (const file of files) {
      temporary.push(await writeTemporary(file));
    }
    for (const [at, file] of files.entries()) {
      await putInPlace(temporary[at] ?? '', file);
    }
    await syncDirectoriesOf(files.map(({ path }) => path));
  } finally {
    await Promise.all(temporary.map((path) => unlink(path).catch(() => undefined)));
  }
}

async function putInPlace(temporary: string, file: NewFile): Promise<void> {
  if (file.isCreated !== true) {
    await rename(temporary, file.path);
    return;
  }
  await link(temporary, file.path); // unlike rename(2) it never replaces a file
  await unlink(temporary);
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
    if (file.owner !== undefined) {
      await handle.chown(file.owner.uid, file.owner.gid);
    }
    await handle.chmod(file.mode);
    await handle.sync();
  } catch (error) {
    await unlink(path);
    throw naming(file.path, error);
  } finally {
    await handle.close();
  }
  return path;
}

/** The same error; one of a call on an open file gets the path that it does not know. */
export function naming(path: string, error: unknown): unknown {
  if (error instanceof Error && !('path' in error)) {
    Object.assign(error, { path, message: `${error.message} '${path}'` });
  }
  return error;
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
