// One open file of the audit log: locked, appended to, never left with half a record. Runs in the
// daemon. What it has not written itself it does not trust: a file that others may write is not
// opened, one that has grown or shrunk by other hands is told of.

import { closeSync, constants, fdatasync, fdatasyncSync, fstatSync, fsyncSync } from 'node:fs';
import { ftruncateSync, openSync, readSync, statSync, writeSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { AppError, asAppError } from '../lib/errors.js';
import { lockFile } from '../sys/files/file-lock.js';
import { foreignOwnerProblem, isTrustedOwner } from '../sys/files/file-owner.js';
import { assertPrivateDirectory } from '../sys/files/safe-path.js';
import { effectiveUserId } from '../sys/user.js';
import { MAX_RECORD_BYTES } from './audit-record.js';

const WRITABLE_BY_OTHERS = 0o022;
/** Whoever only asks whether the file is locked holds it for some milliseconds. */
const LOCK_WAIT_SECONDS = 1;
const NEWLINE = 0x0a;

const fdatasyncAsync = promisify(fdatasync);

export type FileState =
  | { readonly kind: 'good' }
  /** No name leads to it any more: what is written there is lost. */
  | { readonly kind: 'removed' }
  | { readonly kind: 'changed'; readonly expected: number; readonly found: number };

export interface FileTail {
  /** Without its newline; undefined when there is no complete line. */
  readonly lastLine: Buffer | undefined;
  /** What is after the last newline. */
  readonly incomplete: Buffer;
}

export class AuditFile {
  readonly #fd: number;
  #size: number;
  /** Bytes beyond `#size` are half a record that could not be cut off. */
  #isTorn = false;
  /** The last line, not ours, has no newline. */
  #isLineOpen = false;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  /**
   * Opens or creates a file and locks it. Blocks for some milliseconds.
   * @throws AppError AUDIT_WRITE; SYS_UNSAFE_PATH when others could change it; SYS_LOCKED when
   *   another process writes it.
   */
  constructor(path: string, isDurable: boolean) {
    const userId = effectiveUserId();
    assertPrivateDirectory(dirname(path), userId);
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    // Not blocking: a FIFO at the path must not hold the start up.
    const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
    this.#fd = attempt(() => openSync(path, flags, 0o600));
    try {
      const stats = fstatSync(this.#fd);
      assertOurs(path, stats, userId);
      lockFile(this.#fd, { waitSeconds: LOCK_WAIT_SECONDS, what: `audit log ${path}` });
      this.#size = attempt(() => fstatSync(this.#fd).size);
      if (isDurable && this.#size === 0) {
        attempt(() => {
          syncDirectory(dirname(path));
        });
      }
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Whether the path leads to this very file. */
  isAt(path: string): boolean {
    const there = statSync(path, { throwIfNoEntry: false });
    const here = fstatSync(this.#fd);
    return there !== undefined && there.dev === here.dev && there.ino === here.ino;
  }

  /** @throws AppError AUDIT_WRITE when half a record cannot be cut off. */
  check(): FileState {
    return attempt(() => {
      const { nlink, size } = fstatSync(this.#fd);
      if (nlink === 0) {
        return { kind: 'removed' };
      }
      if (this.#isTorn) {
        this.#cut();
        return { kind: 'good' };
      }
      return size === this.#size
        ? { kind: 'good' }
        : { kind: 'changed', expected: this.#size, found: size };
    });
  }

  /** Takes the file as it is now; what is after the last newline stays, as a line of its own. */
  adopt(): void {
    attempt(() => {
      this.#size = fstatSync(this.#fd).size;
      const last = this.#readEnd(1)[0];
      this.#isLineOpen = last !== undefined && last !== NEWLINE;
    });
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /**
   * The first line, without its newline; undefined where there is none. @throws AppError
   * AUDIT_WRITE
   */
  readFirstLine(): Buffer | undefined {
    const bytes = attempt(() => this.#read(0, Math.min(this.#size, MAX_RECORD_BYTES + 1)));
    const end = bytes.indexOf(NEWLINE);
    return end === -1 ? undefined : bytes.subarray(0, end);
  }

  /** The end of the file. @throws AppError AUDIT_WRITE when it cannot be read. */
  readTail(): FileTail {
    const bytes = attempt(() => this.#readEnd(2 * MAX_RECORD_BYTES + 2));
    const end = bytes.lastIndexOf(NEWLINE);
    const incomplete = bytes.subarray(end + 1);
    if (end === -1) {
      return { lastLine: undefined, incomplete };
    }
    const start = end === 0 ? 0 : bytes.lastIndexOf(NEWLINE, end - 1) + 1;
    return { lastLine: bytes.subarray(start, end), incomplete };
  }

  /** Removes bytes from the end. @throws AppError AUDIT_WRITE */
  removeEnd(bytes: number): void {
    this.#size -= bytes;
    attempt(() => {
      this.#cut();
    });
  }

  /**
   * Appends all of a text, or nothing.
   * @param text whole lines, ASCII.
   * @throws AppError AUDIT_WRITE
   */
  write(text: string): void {
    const bytes = Buffer.from(this.#isLineOpen ? `\n${text}` : text, 'latin1');
    try {
      for (let written = 0; written < bytes.length;) {
        written += writeSync(this.#fd, bytes, written);
      }
      this.#size += bytes.length;
      this.#isLineOpen = false;
    } catch (error) {
      this.#isTorn = true;
      try {
        this.#cut();
      } catch {
        // Tried again before the next write.
      }
      throw asAppError(error, 'AUDIT_WRITE', 'audit log');
    }
  }

  /**
   * Resolves when all that was written before the call is on disk: who asks while a sync runs
   * shares the next one. @throws AppError AUDIT_WRITE
   */
  sync(): Promise<void> {
    this.#next ??= this.#running.then(() => this.#startSync());
    return this.#next;
  }

  /** The same at once, blocking. @throws AppError AUDIT_WRITE */
  syncNow(): void {
    attempt(() => {
      fdatasyncSync(this.#fd);
    });
  }

  /** Closes a file that nothing was written to, and so frees its lock, at once. */
  discard(): void {
    closeSync(this.#fd);
  }

  /** Closes the file when no sync needs it any more; never rejects. */
  async close(): Promise<void> {
    await this.#next?.catch(() => undefined);
    await this.#running;
    try {
      closeSync(this.#fd);
    } catch {
      // What was written was acknowledged, or synced, before.
    }
  }

  #startSync(): Promise<void> {
    this.#next = undefined;
    const done = fdatasyncAsync(this.#fd).catch((error: unknown) => {
      throw asAppError(error, 'AUDIT_WRITE', 'audit log');
    });
    this.#running = done.catch(() => undefined);
    return done;
  }

  #cut(): void {
    ftruncateSync(this.#fd, this.#size);
    this.#isTorn = false;
  }

  #readEnd(atMost: number): Buffer {
    const length = Math.min(this.#size, atMost);
    return this.#read(this.#size - length, length);
  }

  #read(from: number, length: number): Buffer {
    const buffer = Buffer.alloc(length);
    for (let done = 0; done < length;) {
      const count = readSync(this.#fd, buffer, done, length - done, from + done);
      if (count === 0) {
        throw new Error('the file became shorter while it was read');
      }
      done += count;
    }
    return buffer;
  }
}

function assertOurs(path: string, stats: Stats, userId: number): void {
  if (!stats.isFile()) {
    throw new AppError('AUDIT_WRITE', `audit log: ${path} is not a regular file`);
  }
  if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw new AppError('SYS_UNSAFE_PATH', `audit log: others can write ${path}`, {
      hint: `chmod go-w ${path}`,
    });
  }
  if (!isTrustedOwner(stats, userId)) {
    throw new AppError('SYS_UNSAFE_PATH', `audit log: ${path}: it ${foreignOwnerProblem(stats)}`);
  }
}

/** After a power cut the file's name is there, too. */
function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function attempt<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw asAppError(error, 'AUDIT_WRITE', 'audit log');
  }
}
