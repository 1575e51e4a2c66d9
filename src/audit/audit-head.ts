// The head of the audit log's chain, noted in the state directory: what shows that the end of the
// log was cut while the daemon was not running, or the beginning of its file, and whom to tell
// after a rotation. Daemon writes, commands read. One line of fixed size, written over in place,
// never synced: it costs a microsecond or two a batch.

import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as v from 'valibot';
import { AppError, isAppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { parseStrictJson } from '../lib/json/strict-json.js';
import { prepareStateDirectory } from '../sys/files/state-directory.js';
import type { ChainHead } from './chain-head.js';

/** With its newline. */
const LINE_BYTES = 256;

/** Where the head of a log is noted: daemons with a log each may share a state directory. */
export function headPathOf(stateDirectory: string, log: string): string {
  const name = createHash('sha256').update(log).digest('hex').slice(0, 16);
  return join(stateDirectory, `audit-head-${name}`);
}

export interface NotedHead extends ChainHead {
  /** The daemon that writes the log; 0 when it has ended in order. */
  readonly pid: number;
  /** The first record of the file that is written to. */
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
 * Reads a head for people and commands.
 * @returns undefined when there is no file.
 * @throws AppError SYS_FILE when it cannot be read; AUDIT_RECORD when it is no head.
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
 * The daemon's end: the file stays open. A head that cannot be noted is told once a spell, and
 * stops nothing.
 */
export class AuditHead {
  readonly #fd: number;
  readonly #onTrouble: (problem: string) => void;
  #isFailing = false;
  #isClosed = false;
  /** What was noted before has been given this process, and nothing was written since. */
  #isClaimed = false;
  /** What was noted before; undefined for a new file, and a damaged one. */
  readonly noted: NotedHead | undefined;
  /** It is never synced, so a power cut may do that. */
  readonly isDamaged: boolean;

  /**
   * @throws AppError SYS_* when the file or its directory cannot be made, or others could change
   *   them.
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
   * For a daemon that begins, when it has locked the log and before it writes a record beyond what
   * was noted: the last one's orderly end is over. It stands again if this one is closed without
   * having written anything.
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
      return; // the descriptor may be another file's by now
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

/** An empty file is a daemon's that ended before it wrote anything. */
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
