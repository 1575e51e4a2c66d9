// Reads files of bounded size: what is larger than its reader expects is never held in memory
// whole. Any process.

import { constants, fstatSync, readSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';

/** What the first read asks for, unless the file is larger. */
const FIRST_READ_BYTES = 4096;

/**
 * Reads an open file from its position to its end, in blocking calls. The buffer may hold a secret:
 * it is the caller's to wipe, and no copy of it is left.
 * @returns undefined when more than `maxBytes` are there
 * @throws a system error
 */
export function readAtMost(fd: number, maxBytes: number): Buffer | undefined {
  // One byte more than is expected: a read of nothing is the end.
  const expected = Math.max(fstatSync(fd).size, FIRST_READ_BYTES);
  let buffer: Buffer = Buffer.alloc(Math.min(expected, maxBytes) + 1);
  let length = 0;
  try {
    for (;;) {
      const count = readSync(fd, buffer, length, buffer.length - length, null);
      length += count;
      if (length > maxBytes) {
        buffer.fill(0);
        return undefined;
      }
      if (count === 0) {
        return buffer.subarray(0, length);
      }
      if (length === buffer.length) {
        buffer = enlarged(buffer, maxBytes + 1);
      }
    }
  } catch (error) {
    buffer.fill(0);
    throw error;
  }
}

/** For a file that grows while it is read, or whose size is not known, as in /proc. */
function enlarged(buffer: Buffer, maxBytes: number): Buffer {
  const larger = Buffer.alloc(Math.min(buffer.length * 2, maxBytes));
  buffer.copy(larger);
  buffer.fill(0);
  return larger;
}

/**
 * Opens and reads a regular file, without waiting for a writer. System errors come as Node throws
 * them.
 * @param check sees the opened file's stats before it is read, and may throw
 * @throws Error when it is no regular file, or larger than `maxBytes`
 */
export async function readBoundedFile(
  path: string,
  maxBytes: number,
  check: (stats: Stats) => void = () => undefined,
): Promise<Buffer> {
  // Not blocking: to open a FIFO without a writer would not return.
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await file.stat();
  if (!stats.isFile()) {
    throw new Error('is not a regular file');
  }
  check(stats);
  const content = readAtMost(file.fd, maxBytes);
  if (content === undefined) {
    throw new Error(`is larger than ${maxBytes} bytes`);
  }
  return content;
}
