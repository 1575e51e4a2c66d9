// The file budgets.jsonl in the state directory: what was counted against budgets, for the next
// start. Runs in clavigerd, which holds a lock: no other process writes it. A count is on disk
// before anything is signed. Counts are appended; when the file has grown much, or its end is
// uncertain, it is replaced by a new one (written whole, then renamed).

import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
} from 'node:fs';
import { unlinkSync, writeSync, type BigIntStats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { replaceFiles } from '../sys/files/atomic-file.js';
import { readAtMost } from '../sys/files/bounded-file.js';
import { openUnwritableByOthers } from '../sys/files/safe-path.js';
import { effectiveUserId } from '../sys/user.js';
import type { CountLog } from './counts.js';
import { formatCounts, formatJournal, parseJournal, type Journal } from './journal-lines.js';

/** Fifty times what a busy signer has; the bounds of BudgetCounts keep a journal below it. */
const MAX_JOURNAL_BYTES = 256 * 1024 * 1024;
/**
 * A file is replaced when it has grown by as much as it had at first, but not for less than this.
 */
const MIN_GROWTH_BYTES = 1024 * 1024;

const sync = promisify(fdatasync);

interface OpenFile {
  readonly fd: number;
  readonly device: bigint;
  readonly inode: bigint;
}

export class BudgetJournal {
  readonly #path: string;
  readonly #minGrowthBytes: number;
  /** Undefined while the next write has to make a new file. */
  #file: OpenFile | undefined;
  #sum = '';
  #size = 0;
  #maxSize = 0;

  /** Nothing is read or written yet. */
  constructor(path: string, minGrowthBytes = MIN_GROWTH_BYTES) {
    this.#path = path;
    this.#minGrowthBytes = minGrowthBytes;
  }

  /**
   * Reads what is there; undefined where there is no file yet.
   * @throws AppError SYS_FILE when it cannot be read or is damaged; SYS_UNSAFE_PATH when others can
   *   write it.
   */
  read(): Journal | undefined {
    try {
      removeTemporaryFiles(this.#path);
      const bytes = readIfThere(this.#path);
      const journal = bytes === undefined ? undefined : parseAt(this.#path, bytes);
      if (bytes !== undefined && journal?.isTorn === false) {
        this.#continue(journal.sum, bytes.length);
      }
      return journal;
    } catch (error) {
      throw error instanceof AppError
        ? error
        : new AppError('SYS_FILE', `budget journal: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * True when `append` must not be used: no file, an uncertain end, or many counts that may have
   * left their window.
   */
  get mustReplace(): boolean {
    return this.#file === undefined || this.#size > this.#maxSize || !this.#isInPlace(this.#file);
  }

  /** Adds counts; on disk when it resolves. System errors come as Node throws them. */
  async append(logs: readonly CountLog[]): Promise<void> {
    const file = this.#file;
    if (file === undefined) {
      throw new Error('the journal has no file to append to');
    }
    const { text, sum } = formatCounts(logs, this.#sum);
    try {
      const bytes = Buffer.from(text);
      writeAll(file.fd, bytes);
      await sync(file.fd);
      this.#sum = sum;
      this.#size += bytes.length;
    } catch (error) {
      // How the file ends is unknown now, and after a failed fdatasync(2) a second one proves
      // nothing.
      this.close();
      throw error;
    }
  }

  /** Puts a new file in place that holds these counts alone; on disk when it resolves. */
  async replace(time: number, logs: readonly CountLog[]): Promise<void> {
    const { text, sum } = formatJournal(time, logs);
    const content = Buffer.from(text);
    this.close();
    await replaceFiles([{ path: this.#path, content, mode: 0o600 }]);
    this.#continue(sum, content.length);
  }

  close(): void {
    if (this.#file !== undefined) {
      closeSync(this.#file.fd);
      this.#file = undefined;
    }
  }

  #continue(sum: string, size: number): void {
    const fd = openSync(
      this.#path,
      constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    const { dev, ino } = fstatSync(fd, { bigint: true });
    this.#file = { fd, device: dev, inode: ino };
    this.#sum = sum;
    this.#size = size;
    this.#maxSize = size + Math.max(size, this.#minGrowthBytes);
  }

  /** False when the file was removed, replaced or cut: what is appended to it would be lost. */
  #isInPlace({ device, inode }: OpenFile): boolean {
    const stats: BigIntStats | undefined = lstatSync(this.#path, {
      bigint: true,
      throwIfNoEntry: false,
    });
    return stats?.dev === device && stats.ino === inode && stats.size === BigInt(this.#size);
  }
}

function parseAt(path: string, bytes: Buffer): Journal {
  try {
    return parseJournal(bytes);
  } catch (error) {
    throw new AppError('SYS_FILE', `${path}: ${messageOf(error)}`, {
      hint: 'put it back from a backup, or remove it: then all budgets begin anew',
      cause: error,
    });
  }
}

/** Removes temporary files of a process that was killed while it replaced the journal. */
function removeTemporaryFiles(path: string): void {
  const [prefix, suffix] = [`.${basename(path)}.`, '.tmp'];
  for (const name of readdirSync(dirname(path))) {
    if (name.startsWith(prefix) && name.endsWith(suffix)) {
      unlinkSync(join(dirname(path), name));
    }
  }
}

function readIfThere(path: string): Buffer | undefined {
  let fd: number;
  try {
    fd = openUnwritableByOthers(path, effectiveUserId());
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  try {
    return readAll(fd, path);
  } finally {
    closeSync(fd);
  }
}

function readAll(fd: number, path: string): Buffer {
  const bytes = readAtMost(fd, MAX_JOURNAL_BYTES);
  if (bytes === undefined) {
    throw new AppError('SYS_FILE', `budget journal: ${path} is larger than 256 MiB`, {
      hint: 'it is no journal of this program; remove it, then all budgets begin anew',
    });
  }
  return bytes;
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) {
    at += writeSync(fd, bytes, at);
  }
}
