// When no login is tried for a while though no latch says so. Runs in the daemon; one for each
// login guard.

import type { Clock } from '../../lib/clock.js';
import { AppError } from '../../lib/errors.js';

/**
 * After a PIN could not be read, or a token said that it is locked, the next look at it is not
 * before this time has passed: neither a person at pinentry nor a card is asked at every request.
 */
const PAUSE_MS = 10_000;
/**
 * A PIN that has worked may have been changed in the token since. When this many logins in a row
 * failed half-way, nobody knows whether they were refused, and the next waits, each time twice as
 * long.
 */
const MAX_UNCLEAR_LOGINS = 2;
const FIRST_UNCLEAR_PAUSE_MS = 60_000;
const MAX_UNCLEAR_PAUSE_MS = 3_600_000;

export class LoginPause {
  readonly #clock: Clock;
  #pause: { readonly reason: AppError; readonly until: number } | undefined;
  /** Logins with the proven PIN in a row whose outcome is not known. */
  #unclearLogins = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Why there is no attempt now; undefined outside of a pause. */
  get reason(): AppError | undefined {
    return this.#pause !== undefined && this.#clock.now() < this.#pause.until
      ? this.#pause.reason
      : undefined;
  }

  begin(reason: AppError, pauseMs = PAUSE_MS): void {
    this.#pause = { reason, until: this.#clock.now() + pauseMs };
  }

  /**
   * A login failed half-way. @param token its name @returns why there is a pause now, if there is
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

  /** Recovery within a running helper asks for a login, too. @throws AppError KEY_PIN_HELD */
  assertNotUnclear(): void {
    const reason = this.#unclearLogins < MAX_UNCLEAR_LOGINS ? undefined : this.reason;
    if (reason !== undefined) {
      throw reason;
    }
  }

  /** A login has succeeded. */
  end(): void {
    this.#pause = undefined;
    this.#unclearLogins = 0;
  }
}
