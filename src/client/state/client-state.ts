// What claviger remembers from one run to the next: one folder of small JSON files. A file that is
// missing, damaged or of an older version counts as absent. A folder that cannot be used is
// reported, and the run goes on without it: the next run then asks the authority again. Only which
// keys are compromised cannot be asked, so callers warn when that could not be written. No secret
// goes in.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf, systemCodeOf } from '../../lib/errors.js';
import { parseStrictJson } from '../../lib/json/strict-json.js';
import { replaceFiles } from '../../sys/files/atomic-file.js';
import { readAtMost } from '../../sys/files/bounded-file.js';
import { prepareStateDirectory } from '../../sys/files/state-directory.js';

/** An order of a thousand names with its URLs and its request stays below. */
const MAX_FILE_BYTES = 512 * 1024;
const FILE_MODE = 0o600;

/** One kind of thing that is remembered. */
export interface StateKind<T> {
  /** The first part of its files' names: lower-case letters and hyphens. */
  readonly name: string;
  /** What a file must hold to be believed. */
  readonly schema: v.GenericSchema<unknown, T>;
}

interface ClientStateOptions {
  /**
   * Absolute; undefined: nothing is remembered. Made with mode 0700 when something is to be
   * written.
   */
  readonly directory: string | undefined;
  /** Takes one line when the folder cannot be used, and one for each file that cannot. */
  report(line: string): void;
}

export class ClientState {
  readonly #options: ClientStateOptions;
  #isPrepared = false;
  #isUnusable = false;

  constructor(options: ClientStateOptions) {
    this.#options = options;
  }

  /**
   * The file for a subject: its name is the kind and a hash of the subject's parts, which may be
   * long. Undefined where nothing can be remembered.
   */
  pathOf(kind: StateKind<unknown>, subject: readonly string[]): string | undefined {
    const { directory } = this.#options;
    const hash = createHash('sha256').update(JSON.stringify(subject)).digest('hex').slice(0, 32);
    return directory === undefined ? undefined : join(directory, `${kind.name}-${hash}.json`);
  }

  /**
   * The same, with the folder made: for a file that is not written by `write`.
   */
  preparedPathOf(kind: StateKind<unknown>, subject: readonly string[]): string | undefined {
    return this.#prepare() ? this.pathOf(kind, subject) : undefined;
  }

  /** What is remembered of a subject; undefined when nothing is, or the file cannot be read. */
  async read<T>(kind: StateKind<T>, subject: readonly string[]): Promise<T | undefined> {
    const path = this.pathOf(kind, subject);
    if (path === undefined || !(await this.#isThere(path)) || !this.#prepare()) {
      return undefined;
    }
    try {
      return v.parse(kind.schema, parseStrictJson(await readStateFile(path)));
    } catch (error) {
      this.#options.report(`${path}: not usable, and ignored: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** Replaces what is remembered of a subject. @returns false when it could not be written */
  async write<T>(kind: StateKind<T>, subject: readonly string[], value: T): Promise<boolean> {
    const path = this.pathOf(kind, subject);
    if (path === undefined || !this.#prepare()) {
      return false;
    }
    try {
      const content = `${JSON.stringify(value, undefined, 2)}\n`;
      await replaceFiles([{ path, content, mode: FILE_MODE }]);
      return true;
    } catch (error) {
      this.#options.report(`${path}: cannot be written: ${messageOf(error)}`);
      return false;
    }
  }

  /** Forgets a subject. */
  async remove(kind: StateKind<unknown>, subject: readonly string[]): Promise<void> {
    const path = this.pathOf(kind, subject);
    if (path === undefined || !(await this.#isThere(path)) || !this.#prepare()) {
      return;
    }
    try {
      await unlink(path); // a file that comes back after a power cut does no harm
    } catch (error) {
      this.#options.report(`${path}: cannot be removed: ${messageOf(error)}`);
    }
  }

  /** Looked at first, so that reading does not make the folder. */
  async #isThere(path: string): Promise<boolean> {
    try {
      await lstat(path);
      return true;
    } catch (error) {
      return systemCodeOf(error) !== 'ENOENT';
    }
  }

  /** The folder must be ours alone: its files hold URLs that signed requests are sent to. */
  #prepare(): boolean {
    const { directory } = this.#options;
    if (this.#isPrepared || this.#isUnusable || directory === undefined) {
      return this.#isPrepared;
    }
    try {
      prepareStateDirectory(directory);
      this.#isPrepared = true;
    } catch (error) {
      this.#isUnusable = true;
      this.#options.report(`nothing is remembered from this run: ${messageOf(error)}`);
    }
    return this.#isPrepared;
  }
}

async function readStateFile(path: string): Promise<Buffer> {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  await using file = await open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  const stats = await file.stat();
  const content = stats.isFile() ? readAtMost(file.fd, MAX_FILE_BYTES) : undefined;
  if (content === undefined) {
    throw new Error(`is no regular file of at most ${MAX_FILE_BYTES} bytes`);
  }
  return content;
}
