// The lines of the log that a client causes by coming and going, as often as it likes: of one
// listener so many a second, and beyond that one line with their number for all of ten seconds.
// Runs in the daemon.

import { performance } from 'node:perf_hooks';
import { systemClock } from '../lib/clock.js';
import type { Log, LogFields, LogLevel } from '../sys/log.js';
import { RateLimit } from './refusals/rate-limit.js';

/**
 * Lines of an event that are written one by one: what honest clients need, some of them at once.
 */
const LINES_AT_ONCE = 64;
const LINES_PER_SECOND = 2;
const JOIN_MS = 10_000;

type ConnectionEvent = 'connected' | 'closed' | 'refused' | 'not-greeted' | 'accept-failed';

interface Joined {
  readonly level: LogLevel;
  /** Of the last one. */
  fields: LogFields;
  count: number;
  readonly firstTime: number;
  lastTime: number;
}

export class ConnectionLines {
  readonly #log: Log;
  readonly #listener: string | undefined;
  readonly #paces = new Map<ConnectionEvent, RateLimit>();
  readonly #joined = new Map<ConnectionEvent, Joined>();
  #timer: NodeJS.Timeout | undefined;

  /** @param listener its name, where there is more than one. */
  constructor(log: Log, listener: string | undefined) {
    this.#log = log;
    this.#listener = listener;
  }

  /** @returns whether it is told by itself: then its end is as well. */
  connected(connection: string): boolean {
    return this.#write('info', 'connected', { conn: connection });
  }

  /** @param isTold what `connected` returned. */
  closed(connection: string, reason: string, isTold: boolean): void {
    if (isTold) {
      this.#log.info('closed', { conn: connection, reason });
    } else {
      this.#join('info', 'closed', { reason });
    }
  }

  /** What the stream says of its trouble. */
  failed(connection: string, reason: string): void {
    this.#log.debug('connection-error', { conn: connection, reason });
  }

  /** Over the cap. */
  busy(reason: string): void {
    this.#write('warning', 'refused', { listener: this.#listener, code: 'busy', reason });
  }

  /** The key is not known. */
  notGreeted(reason: string, hint: string | undefined): void {
    this.#write('error', 'not-greeted', { listener: this.#listener, reason, hint });
  }

  acceptFailed(reason: string): void {
    this.#write('error', 'accept-failed', { listener: this.#listener, reason });
  }

  /** All that is joined, at once: before a rotation, and at the end. */
  flush(): void {
    clearTimeout(this.#timer);
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
    const now = performance.now();
    const pace = this.#paces.get(event) ?? new RateLimit(LINES_PER_SECOND, LINES_AT_ONCE);
    this.#paces.set(event, pace);
    if (pace.waitMs(now) > 0) {
      this.#join(level, event, { ...fields, conn: undefined });
      return false;
    }
    pace.take(1, now);
    this.#log.write(level, event, fields);
    return true;
  }

  #join(level: LogLevel, event: ConnectionEvent, fields: LogFields): void {
    const now = systemClock.now();
    const joined = this.#joined.get(event);
    if (joined !== undefined) {
      joined.count += 1;
      joined.fields = fields;
      joined.lastTime = now;
      return;
    }
    this.#joined.set(event, { level, fields, count: 1, firstTime: now, lastTime: now });
    this.#timer ??= setTimeout(() => {
      this.flush();
    }, JOIN_MS).unref();
  }
}
