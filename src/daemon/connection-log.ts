// The log lines that clients cause by connecting and leaving, as often as they like: each listener
// writes so many a second, and joins the others into one line with their number every ten seconds.
// Runs in clavigerd.

import { systemClock, type Clock } from '../lib/clock.js';
import { systemTimers, type Timer, type Timers } from '../lib/timers.js';
import type { Log, LogFields, LogLevel } from '../sys/log.js';
import { RateLimit } from './refusals/rate-limit.js';

/**
 * Lines of an event that are written one by one: what honest clients need, some of them at once.
 */
const LINES_AT_ONCE = 64;
const LINES_PER_SECOND = 2;
const JOIN_MS = 10_000;

type ConnectionEvent = 'connected' | 'closed' | 'refused' | 'not-greeted' | 'accept-failed';

/** Lines of one event that are joined into one. */
interface Joined {
  readonly level: LogLevel;
  /** Of the last one. */
  fields: LogFields;
  count: number;
  readonly firstTime: number;
  lastTime: number;
}

interface ConnectionLogOptions {
  readonly log: Log;
  /** The listener's name, where there is more than one. */
  readonly listener: string | undefined;
  readonly timers?: Timers;
  readonly clock?: Clock;
}

export class ConnectionLog {
  readonly #log: Log;
  readonly #listener: string | undefined;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #limits = new Map<ConnectionEvent, RateLimit>();
  readonly #joined = new Map<ConnectionEvent, Joined>();
  #timer: Timer | undefined;

  constructor(options: ConnectionLogOptions) {
    this.#log = options.log;
    this.#listener = options.listener;
    this.#timers = options.timers ?? systemTimers;
    this.#clock = options.clock ?? systemClock;
  }

  /** @returns whether it has a line of its own: its end then has one as well. */
  connected(connection: string): boolean {
    return this.#write('info', 'connected', { conn: connection });
  }

  /** @param hasOwnLine what `connected` returned. */
  closed(connection: string, reason: string, hasOwnLine: boolean): void {
    if (hasOwnLine) {
      this.#log.info('closed', { conn: connection, reason });
    } else {
      this.#join('info', 'closed', { reason });
    }
  }

  /** An error of the connection's stream. */
  failed(connection: string, reason: string): void {
    this.#log.debug('connection-error', { conn: connection, reason });
  }

  /** More connections than the listener may have. */
  busy(reason: string): void {
    this.#write('warning', 'refused', { listener: this.#listener, code: 'busy', reason });
  }

  /** The key is not known, so that there is nothing to greet a client with. */
  notGreeted(reason: string, hint: string | undefined): void {
    this.#write('error', 'not-greeted', { listener: this.#listener, reason, hint });
  }

  acceptFailed(reason: string): void {
    this.#write('error', 'accept-failed', { listener: this.#listener, reason });
  }

  /** Writes all that is joined, at once: before a rotation of the log, and at the end. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const [event, { level, fields, count, firstTime, lastTime }] of this.#joined) {
      this.#log.write(level, event, {
        ...fields,
        listener: this.#listener,
        count,
        'first-time': new Date(firstTime).toISOString(),
        'last-time': new Date(lastTime).toISOString(),
      });
    }
    this.#joined.clear();
  }

  #write(level: LogLevel, event: ConnectionEvent, fields: LogFields): boolean {
    const now = this.#timers.now();
    const limit = this.#limits.get(event) ?? new RateLimit(LINES_PER_SECOND, LINES_AT_ONCE);
    this.#limits.set(event, limit);
    if (limit.waitMs(now) > 0) {
      this.#join(level, event, { ...fields, conn: undefined });
      return false;
    }
    limit.take(1, now);
    this.#log.write(level, event, fields);
    return true;
  }

  #join(level: LogLevel, event: ConnectionEvent, fields: LogFields): void {
    const now = this.#clock.now();
    const joined = this.#joined.get(event);
    if (joined !== undefined) {
      joined.count += 1;
      joined.fields = fields;
      joined.lastTime = now;
      return;
    }
    this.#joined.set(event, { level, fields, count: 1, firstTime: now, lastTime: now });
    this.#timer ??= this.#timers.after(
      JOIN_MS,
      () => {
        this.flush();
      },
      false,
    );
  }
}
