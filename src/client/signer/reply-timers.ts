// The clocks on a signer's connection: its greeting, each reply, and rest between requests.
// Client's master.

import { AppError } from '../../lib/errors.js';

/** After this long without a reply the user is told; a token may want a touch or a PIN. */
const SLOW_REPLY_MS = 3_000;

export interface ReplyTimersEvents {
  onLate(error: AppError): void;
  onSlow(): void;
  /** Nothing was asked for a while. */
  onRest(): void;
}

export class ReplyTimers {
  readonly #events: ReplyTimersEvents;
  #timer: NodeJS.Timeout | undefined;
  #slowTimer: NodeJS.Timeout | undefined;

  constructor(events: ReplyTimersEvents) {
    this.#events = events;
  }

  /** At most that long until the greeting; the hint is for when it does not come. */
  awaitGreeting(timeoutMs: number, hint: string): void {
    this.stop();
    this.#arm(timeoutMs, `no greeting within ${timeoutMs / 1000} s`, hint);
  }

  /** At most that long until the next reply. */
  awaitReply(timeoutMs: number): void {
    this.stop();
    this.#arm(timeoutMs, `no signature within ${timeoutMs / 1000} s`);
    this.#slowTimer = setTimeout(() => {
      this.#events.onSlow();
    }, SLOW_REPLY_MS);
  }

  /** Nothing is awaited. */
  rest(intervalMs: number): void {
    this.stop();
    this.#timer = setTimeout(() => {
      this.#events.onRest();
    }, intervalMs);
    this.#timer.unref();
  }

  /** The user need not be told any more that the reply is slow. */
  forgetSlow(): void {
    clearTimeout(this.#slowTimer);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#slowTimer);
  }

  #arm(timeoutMs: number, problem: string, hint?: string): void {
    this.#timer = setTimeout(() => {
      this.#events.onLate(new AppError('CLIENT_SIGNER', `signer: ${problem}`, { hint }));
    }, timeoutMs);
  }
}
