// Writes the records of what one listener refuses, to the audit log and the log: at most so many
// bytes a second over all its connections, and joined where they repeat. Runs in clavigerd. The
// reply to a refused request waits for its record and for the listener's rate limit; signatures
// wait for neither.

import type { AuditEntry } from '../../audit/audit-record.js';
import type { AuditLog } from '../../audit/audit-log.js';
import { systemClock, type Moment } from '../../lib/clock.js';
import { systemTimers, type Timer, type Timers } from '../../lib/timers.js';
import type { Log, LogFields, LogLevel } from '../../sys/log.js';
import { eventOf, fieldsOf, levelOf, sizeOf } from './log-lines.js';
import { RateLimit } from './rate-limit.js';
import { RefusalJoins, kindOf, type Refused } from './joins.js';
import { RefusalLosses } from './losses.js';
import type { RefusalRegister } from './register.js';

/** Together with the burst and the size of one record, less than 64 KB in any second. */
const RECORD_BYTES_PER_SECOND = 32 * 1024;
const RECORD_BYTES_AT_ONCE = 8 * 1024;
/** Refusals of a listener that are answered without delay, and then so many a second. */
const REFUSALS_AT_ONCE = 256;
const REFUSALS_PER_SECOND = 256;
const MAX_DELAY_MS = 2000;
/** First refusals of their kind that wait to be written. */
const MAX_WAITING = 256;
/** Shortest timer. */
const MIN_TIMER_MS = 5;
const NO_ROOM = 'what is free on the disk is kept for signatures (audit-reserve)';
const TOO_MANY = `${MAX_WAITING} of other kinds wait to be written`;

interface Waiting {
  readonly bytes: number;
  readonly write: () => void;
}

export class RefusalRecords {
  readonly #log: Log;
  readonly #audit: AuditLog | undefined;
  readonly #register: RefusalRegister;
  readonly #joins = new RefusalJoins();
  readonly #bytes = new RateLimit(RECORD_BYTES_PER_SECOND, RECORD_BYTES_AT_ONCE);
  readonly #pace = new RateLimit(REFUSALS_PER_SECOND, REFUSALS_AT_ONCE);
  /** By kind: the first record, while it is not written yet. */
  readonly #firsts = new Map<string, Promise<boolean>>();
  #waiting: Waiting[] = [];
  readonly #losses: RefusalLosses;
  readonly #timers: Timers;
  #timer: Timer | undefined;

  constructor(
    log: Log,
    audit: AuditLog | undefined,
    register: RefusalRegister,
    timers: Timers = systemTimers,
  ) {
    this.#timers = timers;
    this.#log = log;
    this.#audit = audit;
    this.#register = register;
    this.#losses = new RefusalLosses(log, audit);
    register.add(() => {
      this.#flush();
    });
  }

  /**
   * Counts a refusal, and records it now or with others.
   * @returns resolves when its reply may be sent; to false when it cannot be recorded, so that the
   *   reply must not reveal it. Never rejects.
   */
  add(refused: Refused, level: LogLevel, hint?: string): Promise<boolean> {
    this.#pace.take(1, this.#timers.now());
    return this.#paced(this.#record(refused, level, hint));
  }

  /**
   * Keeps nothing of the refusal: thousands may wait here, and their names would take a hundred
   * times the memory.
   */
  async #paced(recorded: Promise<boolean>): Promise<boolean> {
    const isRecorded = await recorded;
    const delay = Math.min(this.#pace.waitMs(this.#timers.now()), MAX_DELAY_MS);
    if (delay > 0) {
      await new Promise<void>((resolve) => {
        this.#timers.after(delay, resolve, false);
      });
    }
    return isRecorded;
  }

  #record(refused: Refused, level: LogLevel, hint?: string): Promise<boolean> {
    const trouble = this.#trouble();
    if (trouble !== undefined) {
      this.#losses.add(trouble);
      return Promise.resolve(false);
    }
    this.#losses.note();
    const kind = kindOf(refused.entry);
    if (!this.#joins.take(refused, this.#moment())) {
      this.#schedule();
      return this.#firsts.get(kind) ?? Promise.resolve(true);
    }
    return this.#recordFirst(kind, refused, level, hint);
  }

  /** Why nothing more can be recorded now. */
  #trouble(): string | undefined {
    if (this.#register.reserve?.hasRoom() === false) {
      return NO_ROOM;
    }
    return this.#waiting.length >= MAX_WAITING ? TOO_MANY : undefined;
  }

  async #recordFirst(
    kind: string,
    refused: Refused,
    level: LogLevel,
    hint: string | undefined,
  ): Promise<boolean> {
    const first = this.#whenWritten(refused, level, hint);
    this.#firsts.set(kind, first);
    const isRecorded = await first;
    this.#firsts.delete(kind);
    if (!isRecorded) {
      const joined = this.#joins.forget(refused);
      this.#audit?.noteLost(joined, 'the first of its kind could not be');
    }
    return isRecorded;
  }

  #whenWritten({ entry }: Refused, level: LogLevel, hint?: string): Promise<boolean> {
    return new Promise((resolve) => {
      const write = (): void => {
        this.#writeLine(level, eventOf(entry), { ...fieldsOf(entry), hint });
        resolve(this.#append(entry));
      };
      this.#waiting.push({ bytes: sizeOf(entry), write });
      this.#pump();
    });
  }

  /** Writes what is due, and what waits, as far as the rate allows. */
  #pump(): void {
    const now = this.#timers.now();
    while (this.#bytes.waitMs(now) === 0) {
      const due = this.#joins.takeDue(this.#moment());
      if (due !== undefined) {
        this.#bytes.take(sizeOf(due), now);
        this.#writeJoined(due);
        continue;
      }
      const next = this.#waiting.shift();
      if (next === undefined) {
        break;
      }
      this.#bytes.take(next.bytes, now);
      next.write();
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { nextDue } = this.#joins;
    const hasWaiting = this.#waiting.length > 0;
    if (nextDue === undefined && !hasWaiting) {
      return;
    }
    const untilDue = hasWaiting ? 0 : (nextDue ?? 0) - this.#timers.now();
    const wait = Math.max(untilDue, this.#bytes.waitMs(this.#timers.now()), MIN_TIMER_MS);
    this.#timer = this.#timers.after(
      wait,
      () => {
        this.#pump();
      },
      false,
    );
  }

  #moment(): Moment {
    return { wallMs: systemClock.now(), monotonicMs: this.#timers.now() };
  }

  /** Writes all at once, beyond the rate if need be. */
  #flush(): void {
    this.#losses.note();
    for (const entry of this.#joins.drain()) {
      this.#writeJoined(entry);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    waiting.forEach(({ write }) => {
      write();
    });
    this.#schedule();
  }

  #writeJoined(entry: AuditEntry): void {
    if (this.#register.reserve?.hasRoom() === false) {
      this.#losses.add(NO_ROOM, entry.count);
      return;
    }
    this.#writeLine(levelOf(entry), eventOf(entry), fieldsOf(entry));
    void this.#append(entry);
  }

  /** Where there is an audit log, `quiet` keeps the lines of requests from standard error. */
  #writeLine(level: LogLevel, event: string, fields: LogFields): void {
    if (this.#audit === undefined) {
      this.#log.write(level, event, fields);
    } else {
      this.#log.writeRecorded(level, event, fields);
    }
  }

  /** @returns whether it is on record; where there is no audit log, the log is the record. */
  async #append(entry: AuditEntry): Promise<boolean> {
    try {
      await this.#audit?.append(entry);
      return true;
    } catch {
      return false; // the audit log reports its outage, and then the gap
    }
  }
}
