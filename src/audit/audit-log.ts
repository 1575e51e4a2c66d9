// The audit log of clavigerd. Runs in clavigerd. Each record holds the hash of the record before,
// so the records form a chain. All records of one turn of the event loop are written at once,
// before the daemon acts on them; while they cannot be written, nothing may be signed. The head of
// the chain (number and hash of the last record) is kept in the state directory as well, to show
// later whether the end of the log was cut off.

import type { Clock } from '../lib/clock.js';
import { AppError } from '../lib/errors.js';
import { reasonOf } from './audit-error.js';
import { GroupCommit, type GroupItem } from '../sys/group-commit.js';
import { AuditFile } from './audit-file.js';
import { AuditHead } from './audit-head.js';
import { AuditOutage, type TroubleListener } from './audit-outage.js';
import type { AuditEntry } from './audit-record.js';
import type { ChainHead } from './chain-head.js';
import { ChainWriter } from './chain-writer.js';
import { addTo, type PendingRecord } from './pending-record.js';
import { resumeChain } from './resume-chain.js';

export interface AuditLogOptions {
  /** Absolute. */
  readonly path: string;
  /** Records are synced to disk before they count as written. */
  readonly isDurable: boolean;
  /** The file in the state directory that keeps the chain's head. */
  readonly headPath: string;
  readonly clock: Clock;
  readonly onTrouble: TroubleListener;
  readonly version: string;
}

export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #headFile: AuditHead;
  readonly #chain: ChainWriter;
  readonly #outage: AuditOutage;
  readonly #records = new GroupCommit<PendingRecord>((group) => this.#writeGroup(group));
  #isClosed = false;

  /**
   * Continues the chain of the file, or from the head in the state directory, and records the
   * start.
   * @throws AppError AUDIT_WRITE, SYS_FILE, SYS_LOCKED, SYS_UNSAFE_PATH; AUDIT_RECORD when the
   *   chain cannot be continued
   */
  static open(options: AuditLogOptions): AuditLog {
    const headFile = new AuditHead(options.headPath, (problem) => {
      options.onTrouble('error', `audit log: its head cannot be noted: ${problem}`);
    });
    let file: AuditFile | undefined;
    try {
      file = new AuditFile(options.path, options.isDurable);
      const { head, gaps } = resumeChain(file, headFile.noted, options.path);
      const log = new AuditLog(options, headFile, { file, head });
      // These come first: the gap record of an incomplete record has to be the next one after it.
      log.#chain.reportGaps(gaps);
      headFile.claim();
      if (headFile.isDamaged) {
        log.#chain.reportGaps([{ reason: `the head noted in ${options.headPath} is damaged` }]);
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
    { file, head }: { readonly file: AuditFile; readonly head: ChainHead },
  ) {
    this.#options = options;
    this.#headFile = headFile;
    this.#outage = new AuditOutage(options.onTrouble);
    const onGap = (reason: string): void => {
      this.#outage.report(reason);
    };
    this.#chain = new ChainWriter({ ...options, onGap }, file, head);
  }

  /** The number and the hash of the last record. */
  get head(): ChainHead {
    return this.#chain.head;
  }

  /** Why records cannot be written, so that nothing may be signed; `recover` tries again. */
  get outage(): AppError | undefined {
    return this.#outage.error;
  }

  /**
   * Resolves when the record is in the file, and synced where the log is durable.
   * @param isAlone writes at once, without waiting for other records of this turn
   * @throws AppError AUDIT_WRITE when it cannot be written; AUDIT_RECORD when it is too long
   */
  async append(entry: AuditEntry, isAlone = false): Promise<void> {
    if (this.#isClosed) {
      throw closedError();
    }
    await this.#records.add({ entry, time: this.#options.clock.now() }, isAlone);
  }

  /**
   * Tries to write again in an outage, and does nothing without one. A file that was removed is
   * replaced by a new one.
   * @throws AppError AUDIT_WRITE while that fails
   */
  recover(): void {
    if (this.#isClosed) {
      throw closedError();
    }
    if (this.#outage.error !== undefined) {
      this.#tryAgain([]);
    }
  }

  /** Has a gap record precede the next record, for records that were not written. */
  noteLost(count: number, reason: string): void {
    this.#chain.addLost(count, reason);
  }

  /**
   * Moves on to a new file after the old one was moved away. Never throws: where there can be no
   * new file, the old one stays in use.
   */
  reopen(): void {
    if (this.#isClosed) {
      return;
    }
    this.#records.flush();
    try {
      this.#chain.moveOn();
    } catch (error) {
      this.#outage.report(`${reasonOf(error)}; the file that was open stays in use`);
    }
  }

  /** Records the end, after all records that wait. @throws AppError AUDIT_WRITE when that fails */
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
      // In a new file, where the old one was removed, for no other record would say that.
      this.#tryAgain(stop);
    } finally {
      this.#headFile.write({ ...this.#chain.head, pid: 0, first: this.#chain.first });
      this.#headFile.close();
      await this.#chain.close();
    }
  }

  /** Writes all records of a group in one write; those of a durable log are synced too. */
  #writeGroup(group: readonly GroupItem<PendingRecord>[]): Promise<void> | undefined {
    try {
      const text = this.#chain.beginText(this.#isOutage);
      for (const record of group) {
        addTo(text, record);
      }
      this.#chain.write(text);
    } catch (error) {
      const outage = this.#outage.begin(error);
      this.#chain.addLost(group.length, reasonOf(outage));
      throw outage;
    }
    if (this.#options.isDurable) {
      return this.#syncUpTo(this.head);
    }
    this.#noteWritten(this.head);
    return undefined;
  }

  async #syncUpTo(head: ChainHead): Promise<void> {
    try {
      await this.#chain.sync();
    } catch (error) {
      const outage = this.#outage.begin(error);
      const reason = `records up to ${head.seq} may not be on disk: ${reasonOf(outage)}`;
      this.#chain.addGap({ reason });
      throw outage;
    }
    this.#noteWritten(head);
  }

  /** Writes records of the log itself, and syncs them where the log is durable. */
  #commitNow(entries: readonly AuditEntry[]): void {
    const text = this.#chain.beginText(this.#isOutage);
    entries.forEach((entry) => {
      text.add(entry, this.#options.clock.now());
    });
    this.#chain.write(text);
    this.#chain.syncNow();
    this.#noteWritten(this.head);
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
    this.#headFile.write({ ...head, pid: process.pid, first: this.#chain.first });
  }

  /** A file that was removed costs the records that find it so; the next write gets a new file. */
  get #isOutage(): boolean {
    return this.#outage.error !== undefined;
  }
}

const closedError = (): AppError => new AppError('AUDIT_WRITE', 'audit log: it is closed');
