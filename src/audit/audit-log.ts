// The audit log as the daemon writes it: records go to the file, all of one turn of the event loop
// in one write, before the daemon acts on them. While it cannot be written nothing may be signed;
// what was lost is recorded as a gap. It trusts neither the file it finds at its start nor that its
// file stays as it is.

import type { Clock } from '../lib/clock.js';
import { AppError } from '../lib/errors.js';
import { GroupCommit, type GroupItem } from '../sys/group-commit.js';
import { AuditFile } from './audit-file.js';
import { AuditHead } from './audit-head.js';
import { AuditOutage, reasonOf, type TroubleListener } from './audit-outage.js';
import type { AuditEntry, ChainHead } from './audit-record.js';
import { ChainText } from './chain-text.js';
import { GapNotes, changeOf, removalAfter, type Gap } from './gap-notes.js';
import { addTo, type PendingRecord } from './pending-record.js';
import { continueChain, firstOf, resumeChain } from './resume-chain.js';

export interface AuditLogOptions {
  /** Absolute. */
  readonly path: string;
  /** A record is synced to disk before it counts as written. */
  readonly isDurable: boolean;
  /** A file in the state directory for the chain's head. */
  readonly headPath: string;
  readonly clock: Clock;
  readonly onTrouble: TroubleListener;
  readonly version: string;
}

export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #headFile: AuditHead;
  #file: AuditFile;
  #head: ChainHead;
  /** Of the file; undefined while there is none. */
  #first: ChainHead | undefined;
  /** What the next record must tell first. */
  readonly #gaps = new GapNotes();
  readonly #outage: AuditOutage;
  readonly #records = new GroupCommit<PendingRecord>((group) => this.#writeGroup(group));
  #isClosed = false;

  /**
   * Continues the chain of the file, or of the head noted in the state directory, and records the
   * start.
   * @throws AppError AUDIT_WRITE, SYS_FILE, SYS_LOCKED, SYS_UNSAFE_PATH; AUDIT_RECORD when what is
   *   there cannot be continued
   */
  static open(options: AuditLogOptions): AuditLog {
    const headFile = new AuditHead(options.headPath, (problem) => {
      options.onTrouble('error', `audit log: its head cannot be noted: ${problem}`);
    });
    let file: AuditFile | undefined;
    try {
      file = new AuditFile(options.path, options.isDurable);
      const { head, gaps } = resumeChain(file, headFile.noted, options.path);
      const log = new AuditLog(options, headFile, file, head);
      log.#noteGaps(gaps); // first: what tells of an incomplete record has to follow it
      headFile.claim();
      if (headFile.isDamaged) {
        log.#noteGaps([{ reason: `the head noted in ${options.headPath} is damaged` }]);
      }
      log.#commitNow([{ event: 'start', reason: `clavigerd ${options.version}` }]);
      return log;
    } catch (error) {
      headFile.close();
      file?.discard();
      throw error;
    }
  }

  private constructor(
    options: AuditLogOptions,
    headFile: AuditHead,
    file: AuditFile,
    head: ChainHead,
  ) {
    this.#options = options;
    this.#outage = new AuditOutage(options.onTrouble);
    this.#headFile = headFile;
    this.#file = file;
    this.#head = head;
    this.#first = firstOf(file);
  }

  /** The last record, for who wants to note it elsewhere. */
  get head(): ChainHead {
    return this.#head;
  }

  /**
   * Why nothing can be recorded, and so nothing may be signed; `recover` says whether that still
   * holds.
   */
  get outage(): AppError | undefined {
    return this.#outage.error;
  }

  /**
   * Resolves when the record is in the file, and synced where the log is durable.
   * @throws AppError AUDIT_WRITE when it is not; AUDIT_RECORD when it is too long
   */
  async append(entry: AuditEntry, isAlone = false): Promise<void> {
    if (this.#isClosed) {
      throw closedError();
    }
    await this.#records.add({ entry, time: this.#options.clock.now() }, isAlone);
  }

  /**
   * Tries to write again after an outage; does nothing without one. A file that was removed is made
   * anew.
   * @throws AppError AUDIT_WRITE while it is of no use.
   */
  recover(): void {
    if (this.#isClosed) {
      throw closedError();
    }
    if (this.#outage.error !== undefined) {
      this.#tryAgain([]);
    }
  }

  /** Has the next record be preceded by one that tells of records that were not written. */
  noteLost(count: number, reason: string): void {
    this.#gaps.addLost(count, reason);
  }

  /**
   * Goes on in a new file after the old one was moved away; never throws: without a new one the old
   * one stays.
   */
  reopen(): void {
    const { path } = this.#options;
    if (this.#isClosed) {
      return;
    }
    this.#records.flush();
    try {
      if (!this.#file.isAt(path)) {
        const state = this.#file.check();
        if (state.kind === 'removed') {
          this.#noteGaps([removalAfter(this.#head)]); // or it would pass for a file that was moved
        } else if (state.kind === 'changed') {
          this.#noteGaps([changeOf(state)]);
        }
        this.#openNext();
      }
    } catch (error) {
      this.#outage.tell(`${reasonOf(error)}; the file that was open stays in use`);
    }
  }

  /** Records the end, after all that waits. @throws AppError AUDIT_WRITE when that fails */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#records.flush();
    this.#isClosed = true;
    const stop = [{ event: 'stop' }] as const;
    try {
      this.#commitNow(stop);
    } catch (error) {
      this.#outage.begin(error);
      // in a new file, where the old one was removed: nobody else will tell that
      this.#tryAgain(stop);
    } finally {
      this.#headFile.write({ ...this.#head, pid: 0, first: this.#first });
      this.#headFile.close();
      await this.#file.close();
    }
  }

  /** Writes all records that have gathered in one write; those of a durable log are synced too. */
  #writeGroup(group: readonly GroupItem<PendingRecord>[]): Promise<void> | undefined {
    try {
      const text = this.#beginText();
      for (const record of group) {
        addTo(text, record);
      }
      this.#commit(text);
    } catch (error) {
      const outage = this.#outage.begin(error);
      this.#gaps.addLost(group.length, reasonOf(outage));
      throw outage;
    }
    if (!this.#options.isDurable) {
      this.#noteWritten(this.#head);
      return undefined;
    }
    return this.#syncUpTo(this.#head);
  }

  async #syncUpTo(head: ChainHead): Promise<void> {
    try {
      await this.#file.sync();
    } catch (error) {
      const outage = this.#outage.begin(error);
      const reason = `records up to ${head.seq} may not be on disk: ${reasonOf(outage)}`;
      this.#gaps.add({ reason });
      throw outage;
    }
    this.#noteWritten(head);
  }

  /** What must be told goes first. */
  #beginText(): ChainText {
    this.#useGoodFile();
    const text = new ChainText(this.#head, this.#file.isEmpty);
    for (const gap of this.#gaps.entries()) {
      text.add(gap, this.#options.clock.now());
    }
    return text;
  }

  #commit(text: ChainText): void {
    const wasEmpty = this.#file.isEmpty;
    this.#file.write(text.text);
    this.#head = text.head;
    this.#first = wasEmpty ? text.first : this.#first;
    this.#gaps.clear();
  }

  /** For the records of our own. */
  #commitNow(entries: readonly AuditEntry[]): void {
    const text = this.#beginText();
    entries.forEach((entry) => {
      text.add(entry, this.#options.clock.now());
    });
    this.#commit(text);
    if (this.#options.isDurable) {
      this.#file.syncNow();
    }
    this.#noteWritten(this.#head);
  }

  #tryAgain(entries: readonly AuditEntry[]): void {
    try {
      this.#commitNow(entries);
    } catch (error) {
      throw this.#outage.begin(error);
    }
  }

  #noteWritten(head: ChainHead): void {
    this.#outage.end();
    this.#headFile.write({ ...head, pid: process.pid, first: this.#first });
  }

  /** A file that was removed costs the records that find it so; who tries again gets a new one. */
  #useGoodFile(): void {
    const state = this.#file.check();
    if (state.kind === 'removed') {
      this.#gaps.add(removalAfter(this.#head));
      if (this.#outage.error === undefined) {
        throw new AppError('AUDIT_WRITE', 'audit log: the file was removed');
      }
      this.#openNext();
    } else if (state.kind === 'changed') {
      this.#file.adopt();
      this.#first = firstOf(this.#file);
      this.#noteGaps([changeOf(state)]);
    }
  }

  #openNext(): void {
    const { path, isDurable } = this.#options;
    const next = new AuditFile(path, isDurable);
    try {
      this.#noteGaps(continueChain(next, this.#head));
      this.#first = firstOf(next);
    } catch (error) {
      next.discard();
      throw error;
    }
    void this.#file.close();
    this.#file = next;
  }

  #noteGaps(gaps: readonly Gap[]): void {
    for (const gap of gaps) {
      this.#gaps.add(gap);
      this.#outage.tell(gap.reason);
    }
  }
}

const closedError = (): AppError => new AppError('AUDIT_WRITE', 'audit log: it is closed');
