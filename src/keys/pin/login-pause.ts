// Time during which no login is tried although no latch forbids it. Runs in clavigerd and its
// commands; one for each login guard. Pure.

import type { Clock } from '../../lib/clock.js';
import { AppError } from '../../lib/errors.js';

/**
 * After a PIN could not be read, or a token said that it is locked, neither is tried again before
 * this time has passed: not every request should open a dialogue or query the card.
 */
const PAUSE_MS = 10_000;
/**
 * A PIN that has worked may have been changed in the token since. After this many logins in a row
 * that failed half-way, and may have been refused, the next login waits; twice as long each time.
 */
const MAX_UNCLEAR_LOGINS = 2;
const FIRST_UNCLEAR_PAUSE_MS = 60_000;
const MAX_UNCLEAR_PAUSE_MS = 3_600_000;

export class LoginPause {
  readonly #clock: Clock;
  #pause: { readonly reason: AppError; readonly until: number } | undefined;
  /** Logins in a row with the proven PIN that failed without a refusal. */
  #unclearLogins = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why no attempt is made now; undefined outside of a pause. */
  get reason(): AppError | undefined {
    return this.#pause !== undefined && this.#clock.now() < this.#pause.until
      ? this.#pause.reason
      : undefined;
  }

  begin(reason: AppError, pauseMs = PAUSE_MS): void {
    this.#pause = { reason, until: this.#clock.now() + pauseMs };
  }

  /**
   * Counts a login that failed half-way.
   * @param token its name, for the message.
   * @returns the reason of the pause that begins with it, if one does.
   */
  countUnclear(token: string): AppError | undefined {
    this.#unclearLogins += 1;
    const doublings = this.#unclearLogins - MAX_UNCLEAR_LOGINS;
    if (doublings < 0) {
      return undefined;
    }
    const pauseMs = Math.min(FIRST_UNCLEAR_PAUSE_MS * 2 ** doublings, MAX_UNCLEAR_PAUSE_MS);
    const problem = `${this.#unclearLogins} logins failed half-way; no PIN is tried for ${pauseMs / 60_000} min`;
    const reason = new AppError('KEY_PIN_HELD', `${token}: ${problem}`, {
      hint: 'look after the token and its reader; a restart tries at once',
    });
    this.begin(reason, pauseMs);
    return reason;
  }

  /**
   * For logins that recovery starts in a running helper, without a look at `reason`. @throws
   * AppError KEY_PIN_HELD
   */
  assertNotUnclear(): void {
    const reason = this.#unclearLogins < MAX_UNCLEAR_LOGINS ? undefined : this.reason;
    if (reason !== undefined) {
      throw reason;
    }
  }

  /** Ends the pause and the count: a login has succeeded. */
  end(): void {
    this.#pause = undefined;
    this.#unclearLogins = 0;
  }
}
