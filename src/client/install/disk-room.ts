// Whether a folder has room for what is to be put there, and what to do where it has none. Runs in
// the client's master.

import { open, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { systemCodeOf } from '../../lib/errors.js';
import { naming } from '../../sys/files/atomic-file.js';

/** A key and three files of a chain with its intermediates stay below. */
const WANTED_BYTES = 64 * 1024;

/**
 * Writes a file and removes it. Not statfs(2), which does not know of quotas.
 * @throws the system's error
 */
export async function assertRoom(directory: string): Promise<void> {
  const path = join(directory, `.claviger.${randomBytes(6).toString('hex')}.tmp`);
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(Buffer.alloc(WANTED_BYTES));
  } catch (error) {
    throw naming(path, error);
  } finally {
    await handle.close();
    await unlink(path);
  }
}

/**
 * @returns undefined where the error is another than that there is no room for a file, or names
 *   none.
 */
export function roomHint(error: unknown): string | undefined {
  const isFull = ['ENOSPC', 'EDQUOT'].includes(systemCodeOf(error) ?? '');
  return isFull && error instanceof Error && 'path' in error && typeof error.path === 'string'
    ? `make room on the file system of ${dirname(error.path)}`
    : undefined;
}
