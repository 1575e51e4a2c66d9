// Writes the chain of audit records to the open file, and moves on to a new file after a rotation.
// Runs in clavigerd. It does not trust the file: before each write it checks that the file still
// has a name and the size this process gave it. Whatever is wrong becomes a gap record, which
// precedes the next record: it says that records are missing, or that somebody else changed the
// file.

import type { Clock } from '../lib/clock.js';
import { AppError } from '../lib/errors.js';
import { AuditFile } from './audit-file.js';
import type { ChainHead } from './chain-head.js';
import { ChainText } from './chain-text.js';
import { GapNotes, changeOf, removalAfter, type Gap } from './gap-notes.js';
import { continueChain, firstOf } from './resume-chain.js';

interface ChainWriterOptions {
  /** Absolute. */
  readonly path: string;
  /** Records are synced to disk before they count as written. */
  readonly isDurable: boolean;
  readonly clock: Clock;
  /** Called with the reason of each gap that has to do with the file. */
  readonly onGap: (reason: string) => void;
}

export class ChainWriter {
  readonly #options: ChainWriterOptions;
  #file: AuditFile;
  #head: ChainHead;
  /** The first record of the file; undefined while there is none. */
  #first: ChainHead | undefined;
  /** What the next write has to record first. */
  readonly #gaps = new GapNotes();

  /** @param head where the chain in the file ends */
  constructor(options: ChainWriterOptions, file: AuditFile, head: ChainHead) {
    this.#options = options;
    this.#file = file;
    this.#head = head;
    this.#first = firstOf(file);
  }

  /** The number and the hash of the last record. */
  get head(): ChainHead {
    return this.#head;
  }

  /** Of the first record in the file; undefined while there is none. */
  get first(): ChainHead | undefined {
    return this.#first;
  }

  addGap(gap: Gap): void {
    this.#gaps.add(gap);
  }

  /** Counts records that could not be written. */
  addLost(count: number, reason: string): void {
    this.#gaps.addLost(count, reason);
  }

  /** Adds gaps that have to do with the file, and reports them. */
  reportGaps(gaps: readonly Gap[]): void {
    for (const gap of gaps) {
      this.#gaps.add(gap);
      this.#options.onGap(gap.reason);
    }
  }

  /**
   * Begins the text of the next write: the gap records.
   * @param canReplace makes a new file where the old one was removed; otherwise that is an error
   * @throws AppError AUDIT_WRITE
   */
  beginText(canReplace: boolean): ChainText {
    this.#checkFile(canReplace);
    const text = new ChainText(this.#head, this.#file.isEmpty);
    for (const gap of this.#gaps.entries()) {
      text.add(gap, this.#options.clock.now());
    }
    return text;
  }

  /** Appends a text to the file. @throws AppError AUDIT_WRITE, and then nothing was written */
  write(text: ChainText): void {
    const wasEmpty = this.#file.isEmpty;
    this.#file.write(text.text);
    this.#head = text.head;
    this.#first = wasEmpty ? text.first : this.#first;
    this.#gaps.clear();
  }

  /** Resolves when all that was written is on disk. @throws AppError AUDIT_WRITE */
  sync(): Promise<void> {
    return this.#file.sync();
  }

  /** The same, blocking, where the log is durable. @throws AppError AUDIT_WRITE */
  syncNow(): void {
    if (this.#options.isDurable) {
      this.#file.syncNow();
    }
  }

  /**
   * Moves on to a new file where the path is no longer that of the old one.
   * @throws AppError when there can be no new file; the old one stays in use then
   */
  moveOn(): void {
    if (this.#file.isAt(this.#options.path)) {
      return;
    }
    const state = this.#file.check();
    if (state.kind === 'removed') {
      // Without a gap record the removed file would look like one that was moved away.
      this.reportGaps([removalAfter(this.#head)]);
    } else if (state.kind === 'changed') {
      this.reportGaps([changeOf(state)]);
    }
    this.#openNext();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #checkFile(canReplace: boolean): void {
    const state = this.#file.check();
    if (state.kind === 'removed') {
      this.#gaps.add(removalAfter(this.#head));
      if (!canReplace) {
        throw new AppError('AUDIT_WRITE', 'audit log: the file was removed');
      }
      this.#openNext();
    } else if (state.kind === 'changed') {
      this.#file.adopt();
      this.#first = firstOf(this.#file);
      this.reportGaps([changeOf(state)]);
    }
  }

  #openNext(): void {
    const { path, isDurable } = this.#options;
    const next = new AuditFile(path, isDurable);
    try {
      this.reportGaps(continueChain(next, this.#head));
      this.#first = firstOf(next);
    } catch (error) {
      next.discard();
      throw error;
    }
    void this.#file.close();
    this.#file = next;
  }
}
