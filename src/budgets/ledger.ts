// Keeps the budgets: counts what is about to be signed, on disk first. Runs in clavigerd; one
// process for each state directory. A crash may leave a count of what was not signed, and never
// loses one of what was: what cannot be written is not counted and must not be signed.

import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.js';
import { AppError, isAppError, messageOf } from '../lib/errors.js';
import type { Charge } from '../policy/budget.js';
import { lockFile } from '../sys/files/file-lock.js';
import { GroupCommit, type GroupItem } from '../sys/group-commit.js';
import { prepareStateDirectory } from '../sys/files/state-directory.js';
import { BudgetCounts, type CountLog, type Exhausted } from './counts.js';
import { BudgetJournal } from './journal.js';
import type { CountBounds } from './usage.js';
import { LogicalTime } from './logical-time.js';

const JOURNAL_NAME = 'budgets.jsonl';
const LOCK_NAME = 'budgets.lock';
/** A killed daemon's lock may be held on by the flock(1) that it had just started. */
const LOCK_WAIT_SECONDS = 2;
/** How long a write may take; far more than a busy disk needs. */
const WRITE_TIMEOUT_MS = 30_000;

export interface LedgerOptions {
  /** The state directory, absolute. */
  readonly directory: string;
  readonly clock: Clock;
  /** Milliseconds from any origin, never going back. */
  readonly monotonicNow: () => number;
  /** How much the journal grows before it is written anew; bytes. */
  readonly minGrowthBytes?: number;
  /** How long a spend waits for the disk. */
  readonly writeTimeoutMs?: number;
  readonly bounds?: CountBounds;
}

export class BudgetLedger {
  readonly #lockFd: number;
  readonly #journal: BudgetJournal;
  readonly #counts: BudgetCounts;
  readonly #time: LogicalTime;
  readonly #writeTimeoutMs: number;
  /** What each spend has counted; spends share a write, and wait for the one that runs. */
  readonly #spends = new GroupCommit<readonly CountLog[]>((group) => this.#writeGroup(group), {
    isSerial: true,
  });
  #isClosed = false;

  private constructor(lockFd: number, journal: BudgetJournal, options: LedgerOptions) {
    this.#lockFd = lockFd;
    this.#journal = journal;
    this.#counts = new BudgetCounts(options.bounds);
    this.#writeTimeoutMs = options.writeTimeoutMs ?? WRITE_TIMEOUT_MS;
    const before = journal.read();
    before?.logs.forEach((log) => {
      this.#counts.load(log);
    });
    this.#time = new LogicalTime(options.clock, options.monotonicNow, before?.time ?? 0);
  }

  /**
   * Reads what was counted before. Writes nothing yet, but checks that it can.
   * @throws AppError SYS_LOCKED when another process keeps budgets there; SYS_FILE or
   *   SYS_UNSAFE_PATH when the directory or the journal is not usable or not as it was written.
   */
  static open(options: LedgerOptions): BudgetLedger {
    const { directory } = options;
    prepareStateDirectory(directory);
    const lockFd = lockDirectory(directory);
    try {
      const journal = new BudgetJournal(join(directory, JOURNAL_NAME), options.minGrowthBytes);
      return new BudgetLedger(lockFd, journal, options);
    } catch (error) {
      closeSync(lockFd);
      throw error;
    }
  }

  /**
   * How far the clock is behind the time that budgets are counted by, ms. Until it has caught up,
   * counts leave their windows only while the daemon runs.
   */
  get clockLagMs(): number {
    return this.#time.aheadMs;
  }

  /**
   * Counts all charges, or none when one has no room. Resolves when that is on disk; spends at the
   * same time share one write.
   * @returns what has no room, if anything.
   * @throws AppError SIGNER_BUDGET when it cannot be kept: nothing may be signed then.
   */
  async spend(charges: readonly Charge[]): Promise<Exhausted | undefined> {
    if (charges.length === 0) {
      return undefined;
    }
    if (this.#isClosed) {
      throw new AppError('SIGNER_BUDGET', 'budget: the ledger is closed');
    }
    const now = this.#time.now();
    const exhausted = this.#counts.exhausted(charges, now);
    if (exhausted !== undefined) {
      return exhausted;
    }
    if (!this.#counts.canHold(charges, now)) {
      throw new AppError('SIGNER_BUDGET', 'budget: too much is counted already', {
        hint: 'shorten the windows of budgets per identifier, or limit the orders by a budget without it',
      });
    }
    // Counted before the write, so that no other request gets the same room meanwhile.
    await this.#commit(this.#counts.add(charges, now));
    return undefined;
  }

  /** Waits for what is being written; the next process may then open the directory. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    await this.#spends.whenIdle();
    this.#journal.close();
    closeSync(this.#lockFd);
  }

  /** Waits until counts are on disk. A write that comes too late has counted them all the same. */
  async #commit(counted: readonly CountLog[]): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(diskTimeout(this.#writeTimeoutMs));
      }, this.#writeTimeoutMs);
    });
    try {
      await Promise.race([this.#spends.add(counted), overdue]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Counts that cannot be written are taken back. @throws AppError SIGNER_BUDGET */
  async #writeGroup(group: readonly GroupItem<readonly CountLog[]>[]): Promise<void> {
    const counted = group.flatMap(({ item }) => item);
    try {
      await this.#write(counted);
    } catch (error) {
      this.#counts.remove(counted);
      throw new AppError('SIGNER_BUDGET', `budget: ${messageOf(error)}`, {
        hint: 'without a note of what was spent nothing is signed',
        cause: error,
      });
    }
  }

  /** A journal that is written anew has these counts too: it has all that is counted now. */
  async #write(counted: readonly CountLog[]): Promise<void> {
    if (this.#journal.mustReplace) {
      const now = this.#time.now();
      await this.#journal.replace(now, this.#counts.live(now));
    } else {
      await this.#journal.append(counted);
    }
  }
}

function diskTimeout(timeoutMs: number): AppError {
  return new AppError('SIGNER_BUDGET', `budget: the disk did not answer in ${timeoutMs / 1000} s`, {
    hint: 'without a note of what was spent nothing is signed: look at the disk of the state directory',
  });
}

function lockDirectory(directory: string): number {
  const path = join(directory, LOCK_NAME);
  let fd: number | undefined;
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    fd = openSync(path, flags | constants.O_NONBLOCK, 0o600);
    lockFile(fd, { waitSeconds: LOCK_WAIT_SECONDS, what: path });
    return fd;
  } catch (error) {
    if (fd !== undefined) {
      closeSync(fd);
    }
    if (isAppError(error, 'SYS_LOCKED')) {
      throw new AppError('SYS_LOCKED', `${directory}: another process keeps its budgets here`, {
        hint: 'end the other clavigerd, or give this one another state-directory',
        cause: error,
      });
    }
    throw error instanceof AppError
      ? error
      : new AppError('SYS_FILE', `budget ledger: ${messageOf(error)}`, {
          hint: 'budgets are kept in the state directory, which this process must be able to write',
          cause: error,
        });
  }
}
