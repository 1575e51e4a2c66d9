// Reads audit files line by line, plain or compressed by gzip, for the `clavigerd audit` commands.
// The files are not trusted: no file is read into memory as a whole, and a long line is cut off.

import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { AppError, messageOf } from '../../lib/errors.js';
import { LineCutter, type CutLine } from '../terminal/line-cutter.js';

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]); // RFC 1952 §2.3.1
const CHUNK_BYTES = 64 * 1024;
/** How long to wait for the rest of a line that the daemon may be writing right now. */
const UNFINISHED_LINE_WAIT_MS = 100;

/**
 * The lines of a file, as many at a time as one read brings.
 * @param maxLineBytes of a longer line only so many bytes are kept, and one more
 * @throws AppError SYS_FILE when the file cannot be read, is no regular file, or is damaged gzip
 *   data.
 */
export async function* readFileLines(
  path: string,
  maxLineBytes: number,
): AsyncGenerator<readonly CutLine[]> {
  const cutter = new LineCutter(maxLineBytes);
  let file: FileHandle | undefined;
  try {
    file = await openRegularFile(path);
    for await (const chunk of await contentOf(file, cutter)) {
      yield cutter.push(chunk);
    }
    yield cutter.end();
  } catch (error) {
    throw error instanceof AppError
      ? error
      : new AppError('SYS_FILE', `audit log: ${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    await file?.close();
  }
}

async function openRegularFile(path: string): Promise<FileHandle> {
  // O_NONBLOCK: opening a FIFO without a writer would block for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  if ((await file.stat()).isFile()) {
    return file;
  }
  await file.close();
  throw new AppError('SYS_FILE', `audit log: ${path}: not a regular file`);
}

/**
 * The content of a file, unpacked where it begins as gzip data does. Its name does not say, for
 * logrotate can be configured to use any name.
 */
async function contentOf(file: FileHandle, cutter: LineCutter): Promise<AsyncIterable<Buffer>> {
  const start = await file.read(Buffer.alloc(GZIP_MAGIC.length), 0, GZIP_MAGIC.length, 0);
  if (!start.buffer.subarray(0, start.bytesRead).equals(GZIP_MAGIC)) {
    return readChunks(file, () => !cutter.isAtLineStart);
  }
  const packed = Readable.from(
    readChunks(file, () => false),
    { objectMode: false },
  );
  // An error of either stream reaches the reader of the result.
  return pipeline(packed, createGunzip(), () => undefined);
}

async function* readChunks(file: FileHandle, isUnfinished: () => boolean): AsyncGenerator<Buffer> {
  let position = 0;
  for (let hasWaited = false; ;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), { position });
    if (bytesRead > 0) {
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    } else if (isUnfinished() && !hasWaited) {
      hasWaited = true;
      await sleep(UNFINISHED_LINE_WAIT_MS);
    } else {
      return;
    }
  }
}
