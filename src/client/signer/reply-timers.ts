// The time limits of a signer's connection: for its greeting, for each reply, and the pause between
// requests after which a ping is due. Runs in claviger.

import { AppError } from '../../lib/errors.js';
import { systemTimers, type Timer, type Timers } from '../../lib/timers.js';

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
  readonly #timers: Timers;
  #limit: Timer | undefined;
  #slow: Timer | undefined;

  constructor(events: ReplyTimersEvents, timers: Timers = systemTimers) {
    this.#events = events;
    this.#timers = timers;
  }

  /** Waits at most that long for the greeting. @param hint of the error when it does not come */
  awaitGreeting(timeoutMs: number, hint: string): void {
    this.stop();
    this.#setLimit(timeoutMs, `no greeting within ${timeoutMs / 1000} s`, hint);
  }

  /** Waits at most that long for the next reply. */
  awaitReply(timeoutMs: number): void {
    this.stop();
    this.#setLimit(timeoutMs, `no signature within ${timeoutMs / 1000} s`);
    this.#slow = this.#timers.after(SLOW_REPLY_MS, () => {
      this.#events.onSlow();
    });
  }

  /** No reply is awaited; `onRest` is called after that long. Does not keep the process alive. */
  rest(intervalMs: number): void {
    this.stop();
    const onRest = (): void => {
      this.#events.onRest();
    };
    this.#limit = this.#timers.after(intervalMs, onRest, false);
  }

  /** Gives no notice any more that this reply is slow. */
  forgetSlow(): void {
    this.#slow?.cancel();
  }

  stop(): void {
    this.#limit?.cancel();
    this.#slow?.cancel();
  }

  #setLimit(timeoutMs: number, problem: string, hint?: string): void {
    this.#limit = this.#timers.after(timeoutMs, () => {
      this.#events.onLate(new AppError('CLIENT_SIGNER', `signer: ${problem}`, { hint }));
    });
  }
}
