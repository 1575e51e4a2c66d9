// Checks that a folder has room for new files, and gives the hint where it has none. Runs in
// claviger.

import { open, unlink } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { systemCodeOf } from '../../lib/errors.js';
import { naming } from '../../sys/files/atomic-file.js';

/** More than a key and three files of a chain take. */
const WANTED_BYTES = 64 * 1024;

/**
 * Writes a file and removes it; statfs(2) does not see quotas.
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

/** @returns undefined for errors other than a full disk or quota, and for those without a path */
export function roomHint(error: unknown): string | undefined {
  const isFull = ['ENOSPC', 'EDQUOT'].includes(systemCodeOf(error) ?? '');
  return isFull && error instanceof Error && 'path' in error && typeof error.path === 'string'
    ? `make room on the file system of ${dirname(error.path)}`
    : undefined;
}
