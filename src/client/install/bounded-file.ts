// Reading a file the user named: regular, of bounded size, and without waiting. Client's master.

import { constants, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * Reads a regular file. System errors come as Node throws them.
 * @param check sees the opened file's stats before it is read, and may throw
 * @throws Error when it is no regular file, or larger than `maxBytes`
 */
export async function readBoundedFile(
  path: string,
  maxBytes: number,
  check: (stats: Stats) => void = () => undefined,
): Promise<Buffer> {
  // Not blocking: a FIFO without a writer would hold us for ever.
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await file.stat();
  if (!stats.isFile()) {
    throw new Error('is not a regular file');
  }
  if (stats.size > maxBytes) {
    throw new Error(`is larger than ${maxBytes} bytes`);
  }
  check(stats);
  return await file.readFile();
}
