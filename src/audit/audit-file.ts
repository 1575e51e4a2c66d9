// One open file of the audit log: locked, appended to, and never left with part of a record after a
// failed write. Runs in clavigerd. It does not trust the file: `check` reports one that was
// removed, or has another size than this process gave it.

import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync } from 'node:fs';
import { readSync, statSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { attempt, writeError } from './audit-error.js';
import { openAuditFile } from './open-audit-file.js';
import { MAX_RECORD_BYTES } from './record-line.js';

const NEWLINE = 0x0a;

const fdatasyncAsync = promisify(fdatasync);

export type FileState =
  | { readonly kind: 'good' }
  /** It has no name any more: what is written to it would be lost. */
  | { readonly kind: 'removed' }
  /** Its size in bytes is not what this process has written. */
  | { readonly kind: 'changed'; readonly expected: number; readonly found: number };

interface FileTail {
  /** Without its newline; undefined when there is no complete line. */
  readonly lastLine: Buffer | undefined;
  /** The bytes after the last newline. */
  readonly incomplete: Buffer;
}

export class AuditFile {
  readonly #fd: number;
  #size: number;
  /** Bytes after `#size` are part of a record, and could not be cut off yet. */
  #isTorn = false;
  /** The last line, which somebody else wrote, has no newline. */
  #isLineOpen = false;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  /**
   * Opens or creates a file and locks it. Blocks for some milliseconds.
   * @throws AppError AUDIT_WRITE; SYS_UNSAFE_PATH when others can change it; SYS_LOCKED when
   *   another process writes it
   */
  constructor(path: string, isDurable: boolean) {
    this.#fd = openAuditFile(path, isDurable);
    try {
      this.#size = attempt(() => fstatSync(this.#fd).size);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** Whether the path is a name of this file. */
  isAt(path: string): boolean {
    const there = statSync(path, { throwIfNoEntry: false });
    const here = fstatSync(this.#fd);
    return there !== undefined && there.dev === here.dev && there.ino === here.ino;
  }

  /**
   * Checks the file before a write, and cuts off part of a record that a failed write has left.
   * @throws AppError AUDIT_WRITE when that cannot be cut off
   */
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

  /** Accepts the file as it is now; bytes after the last newline stay, as a line of their own. */
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
   * The first line, without its newline; undefined where there is none.
   * @throws AppError AUDIT_WRITE
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
   * @param text whole lines in ASCII
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
        // `check` tries again before the next write.
      }
      throw writeError(error);
    }
  }

  /**
   * Resolves when all that was written before the call is on disk. Calls while a sync is running
   * share the next one.
   * @throws AppError AUDIT_WRITE
   */
  sync(): Promise<void> {
    this.#next ??= this.#running.then(() => this.#startSync());
    return this.#next;
  }

  /** The same, blocking until it is done. @throws AppError AUDIT_WRITE */
  syncNow(): void {
    attempt(() => {
      fdatasyncSync(this.#fd);
    });
  }

  /** Closes a file that nothing was written to, at once, which releases its lock. */
  discard(): void {
    closeSync(this.#fd);
  }

  /** Closes the file when no sync is running; never rejects. */
  async close(): Promise<void> {
    await this.#next?.catch(() => undefined);
    await this.#running;
    try {
      closeSync(this.#fd);
    } catch {
      // Nothing is lost: writes were complete, and synced where that was asked for.
    }
  }

  #startSync(): Promise<void> {
    this.#next = undefined;
    const done = fdatasyncAsync(this.#fd).catch((error: unknown) => {
      throw writeError(error);
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
