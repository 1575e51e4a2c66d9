// The time limits of a signer's connection: for its greeting, for each reply, and the pause between
// requests after which a ping is due. Runs in claviger.

import { AppError } from '../../lib/errors.js';

/** After this long without a reply the user gets a notice: a token may want a touch or a PIN. */
const SLOW_REPLY_MS = 3_000;

interface ReplyTimersEvents {
  onLate(error: AppError): void;
  onSlow(): void;
  /** No request was sent for a while. */
  onRest(): void;
}

export class ReplyTimers {
  readonly #events: ReplyTimersEvents;
  #timer: NodeJS.Timeout | undefined;
  #slowTimer: NodeJS.Timeout | undefined;

  constructor(events: ReplyTimersEvents) {
    this.#events = events;
  }

  /** Waits at most that long for the greeting. @param hint of the error when it does not come */
  awaitGreeting(timeoutMs: number, hint: string): void {
    this.stop();
    this.#arm(timeoutMs, `no greeting within ${timeoutMs / 1000} s`, hint);
  }

  /** Waits at most that long for the next reply. */
  awaitReply(timeoutMs: number): void {
    this.stop();
    this.#arm(timeoutMs, `no signature within ${timeoutMs / 1000} s`);
    this.#slowTimer = setTimeout(() => {
      this.#events.onSlow();
    }, SLOW_REPLY_MS);
  }

  /** No reply is awaited; `onRest` is called after that long. */
  rest(intervalMs: number): void {
    this.stop();
    this.#timer = setTimeout(() => {
      this.#events.onRest();
    }, intervalMs);
    this.#timer.unref();
  }

  /** Gives no notice any more that this reply is slow. */
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
