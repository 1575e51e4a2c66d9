// The noted head: the number and hash of the audit log's last record, kept in the state directory.
// A log that does not reach it was cut off, or written anew, while no daemon was running. The file
// also holds the first record of the open file and the process to signal after a rotation.
// clavigerd writes it, `clavigerd audit` reads it. It is one line of fixed size, overwritten in
// place and never synced, which takes a microsecond or two for each write of records.

import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { AppError, isAppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { parseStrictJson } from '../lib/json/strict-json.js';
import { prepareStateDirectory } from '../sys/files/state-directory.js';
import type { ChainHead } from './chain-head.js';

/** The size of the file: the line with its newline. */
const LINE_BYTES = 256;

/** The file for the head of a log. Daemons with different logs may share a state directory. */
export function headPathOf(stateDirectory: string, log: string): string {
  const name = createHash('sha256').update(log).digest('hex').slice(0, 16);
  return join(stateDirectory, `audit-head-${name}`);
}

export interface NotedHead extends ChainHead {
  /** The daemon that writes the log; 0 when it has ended normally, with a `stop` record. */
  readonly pid: number;
  /** The first record of the open file. */
  readonly first?: ChainHead | undefined;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const headSchema = v.strictObject({
  pid: count,
  seq: count,
  hash,
  first: v.exactOptional(v.strictObject({ seq: count, hash })),
});

/**
 * Reads the noted head, for commands.
 * @returns undefined when there is no file
 * @throws AppError SYS_FILE when it cannot be read; AUDIT_RECORD when it holds no head
 */
export function readNotedHead(path: string): NotedHead | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      return undefined;
    }
    throw new AppError('SYS_FILE', `audit head: ${messageOf(error)}`, { cause: error });
  }
  try {
    return readHead(fd, path);
  } finally {
    closeSync(fd);
  }
}

/**
 * The open file, for the daemon. Failures to write it stop nothing; the first of several in a row
 * is reported.
 */
export class AuditHead {
  readonly #fd: number;
  readonly #onTrouble: (problem: string) => void;
  #isFailing = false;
  #isClosed = false;
  /** `claim` was called, and nothing has been written since. */
  #isClaimed = false;
  /** The head in the file when it was opened; undefined for a new file, and for a damaged one. */
  readonly noted: NotedHead | undefined;
  /** The file held no head. It is never synced, so a power failure can do that. */
  readonly isDamaged: boolean;

  /**
   * @throws AppError SYS_* when the file or its directory cannot be made, or others can change them
   */
  constructor(path: string, onTrouble: (problem: string) => void) {
    this.#onTrouble = onTrouble;
    prepareStateDirectory(dirname(path));
    try {
      const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
      this.#fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    } catch (error) {
      throw new AppError('SYS_FILE', `audit head: ${messageOf(error)}`, { cause: error });
    }
    try {
      this.noted = readHead(this.#fd, path);
      this.isDamaged = false;
    } catch (error) {
      if (!isAppError(error, 'AUDIT_RECORD')) {
        closeSync(this.#fd);
        throw error;
      }
      this.isDamaged = true;
    }
  }

  /**
   * Puts this process into the file, so that it no longer says that the last daemon has ended. To
   * be called when the log is locked and before the first record is written. `close` restores the
   * file if no head was written in between.
   */
  claim(): void {
    if (this.noted !== undefined) {
      this.write({ ...this.noted, pid: process.pid });
      this.#isClaimed = true;
    }
  }

  write({ pid, seq, hash, first }: NotedHead): void {
    this.#isClaimed = false;
    if (this.#isClosed) {
      return; // the number of the descriptor may belong to another file by now
    }
    const line = `${JSON.stringify({ pid, seq, hash, first }).padEnd(LINE_BYTES - 1)}\n`;
    try {
      if (writeSync(this.#fd, Buffer.from(line, 'latin1'), 0, LINE_BYTES, 0) !== LINE_BYTES) {
        throw new Error('only a part of it could be written');
      }
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) {
        this.#isFailing = true;
        this.#onTrouble(messageOf(error));
      }
    }
  }

  close(): void {
    if (this.#isClaimed && this.noted !== undefined) {
      this.write(this.noted);
    }
    this.#isClosed = true;
    closeSync(this.#fd);
  }
}

/** An empty file is left by a daemon that ended before it wrote a record. */
function readHead(fd: number, path: string): NotedHead | undefined {
  const buffer = Buffer.alloc(LINE_BYTES + 1);
  let length: number;
  try {
    if (!fstatSync(fd).isFile()) {
      throw new Error('not a regular file');
    }
    length = readSync(fd, buffer, 0, buffer.length, 0);
  } catch (error) {
    throw new AppError('SYS_FILE', `audit head: ${messageOf(error)}`, { cause: error });
  }
  if (length === 0) {
    return undefined;
  }
  try {
    return v.parse(headSchema, parseStrictJson(buffer.subarray(0, length)));
  } catch (error) {
    throw new AppError('AUDIT_RECORD', `audit head: ${path} is damaged`, {
      hint: 'the daemon writes it anew with its next record; name the files to verify without it',
      cause: error,
    });
  }
}
