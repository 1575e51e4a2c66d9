// The only way from a PIN source to a token: decides whether a PIN may be sent, and has it sent.
// Runs in clavigerd and its commands; one for each token.
// - One attempt with what a source holds: it is recorded before it is made, and after a refusal
//   there is no other until the source has changed or a person ran `clavigerd pin clear`, across
//   restarts, helpers and processes.
// - One login at a time: of all processes with this state directory, the one that holds the lock of
//   the token reads its latch, records the attempt, and makes it.
// It keeps the PIN in memory once a login has succeeded with it.

import type { Clock } from '../../lib/clock.js';
import { AppError, asAppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { Secret } from '../../lib/secret.js';
import type { TokenInfo } from '../../token/messages.js';
import type { KeyLog } from '../key-context.js';
import { AttemptRecorder, type RecordedAttempt } from './attempt-recorder.js';
import type { LockedLatch, PinLatchStore } from './latch-store.js';
import type { LoginAttempts } from './login-attempts.js';
import { LoginPause } from './login-pause.js';
import { PinKeeper, type KnownPin, type TokenPinSource } from './pin-keeper.js';
import { assertLoginIsSafe, isPinRefusal, isUnusedTry } from './pin-refusal.js';
import { nameOfToken } from './token-name.js';

export interface LoginGuardOptions {
  readonly source: TokenPinSource;
  readonly latches: Pick<PinLatchStore, 'stateDirectory' | 'role' | 'read' | 'withLock'>;
  readonly attempts: LoginAttempts;
  /** Longest time that another process may be logging in. */
  readonly lockWaitMs: number;
  readonly log: KeyLog;
  readonly clock: Clock;
}

/** Sends a PIN to the token once, and does not keep it. */
type SendPin = (pin: Secret) => Promise<void>;

export class LoginGuard {
  readonly #options: LoginGuardOptions;
  readonly #keeper: PinKeeper;
  readonly #recorder: AttemptRecorder;
  readonly #pause: LoginPause;
  #lastLogin: Promise<unknown> = Promise.resolve();

  constructor(options: LoginGuardOptions) {
    this.#options = options;
    this.#keeper = new PinKeeper(options.source);
    this.#recorder = new AttemptRecorder(options);
    this.#pause = new LoginPause(options.clock);
  }

  /**
   * Why no login would be tried now: KEY_PIN_HELD, TOKEN_PIN_LOCKED, KEY_PIN or SYS_*. A request
   * looks here before it starts a helper: a latched token then costs two file reads and no process.
   */
  get refusal(): AppError | undefined {
    return this.#pause.reason ?? this.#recorder.refusal;
  }

  /** Returns while a login may be tried. @throws AppError what `refusal` says */
  assertOpen(): void {
    const { refusal } = this;
    if (refusal !== undefined) {
      throw refusal;
    }
  }

  /**
   * Logs in with the PIN, after the login before has ended.
   * @throws AppError without an attempt: KEY_PIN_HELD, TOKEN_PIN_LOCKED (KEY_PIN_HELD also when
   *   another process has held the token's lock for too long); KEY_PIN* and SYS_* when the PIN
   *   cannot be read or the attempt cannot be recorded; what `send` throws
   */
  login(token: TokenInfo, send: SendPin): Promise<void> {
    const result = this.#lastLogin.then(() => this.#login(token, send));
    this.#lastLogin = result.catch(() => undefined);
    return result;
  }

  /**
   * Runs an operation for which the token checks the PIN once more, after a login with it: a
   * signature of a key with CKA_ALWAYS_AUTHENTICATE, a change of the PIN. That is not recorded
   * beforehand; a refusal is, so that no other process sends the same PIN again.
   * @throws AppError KEY_PIN_HELD without an attempt; what `use` throws
   */
  withProvenPin<T>(token: TokenInfo, use: (pin: Secret) => Promise<T>): Promise<T> {
    return this.#withLock(token, async (locked) => {
      this.#recorder.read(token, locked);
      const { proven } = this.#keeper;
      if (proven === undefined) {
        throw new AppError('KEY_PIN_HELD', `${nameOfToken(token)}: no PIN has worked yet`);
      }
      try {
        return await this.#options.attempts.make(() => use(proven.secret));
      } catch (error) {
        if (isPinRefusal(error)) {
          this.close();
          const attempt = this.#recorder.newAttempt(token, locked, proven.identity, undefined);
          await this.#recorder.refuse(attempt, error);
        }
        throw error;
      }
    });
  }

  /** Wipes the PIN. */
  close(): void {
    this.#keeper.forget();
  }

  async #login(token: TokenInfo, send: SendPin): Promise<void> {
    this.#pause.assertNotUnclear();
    this.#assertLoginIsSafe(token);
    const asked = await this.#askPerson(token);
    try {
      await this.#withLock(token, (locked) => this.#logIn(token, send, asked, locked));
    } finally {
      this.#keeper.wipeUnlessProven(asked);
    }
  }

  /** While `use` runs no other process reads the latch, records an attempt or makes one. */
  async #withLock<T>(token: TokenInfo, use: (locked: LockedLatch) => Promise<T>): Promise<T> {
    const { latches, attempts, lockWaitMs: waitMs } = this.#options;
    return await latches.withLock(token, { waitMs, signal: attempts.signal }, use);
  }

  /**
   * Asks a person for the PIN before the lock is taken, so that nobody waits for the answer; and
   * never for a PIN that would not be sent.
   */
  async #askPerson(token: TokenInfo): Promise<KnownPin | undefined> {
    if (!this.#options.source.mayAsk || this.#keeper.proven !== undefined) {
      return undefined;
    }
    this.assertOpen();
    return await this.#pinOf(token);
  }

  async #logIn(
    token: TokenInfo,
    send: SendPin,
    asked: KnownPin | undefined,
    locked: LockedLatch,
  ): Promise<void> {
    const { log, attempts } = this.#options;
    const before = this.#recorder.read(token, locked);
    const pin = asked ?? (await this.#pinOf(token));
    if (before !== undefined) {
      log('notice', `${nameOfToken(token)}: the PIN source has changed; trying it once`);
    }
    const isProven = pin === this.#keeper.proven;
    if (token.pinState === 'count-low' && !isProven) {
      log('warning', `${nameOfToken(token)}: wrong PINs have used up tries already; trying once`);
    }
    try {
      await attempts.make(async () => {
        // The source may have been changed back since the latch was read.
        this.#recorder.assertAllowed(before, pin.identity);
        const attempt = this.#recorder.newAttempt(token, locked, pin.identity, before);
        await this.#recorder.begin(attempt);
        await this.#send(attempt, isProven, () => send(pin.secret));
        this.#recorder.remove(attempt);
      });
    } catch (error) {
      this.#keeper.wipeUnlessProven(pin);
      throw error;
    }
    this.#keeper.keep(pin);
    this.#pause.end();
  }

  /** Sends the PIN; of a failure, records what it means for the next attempt. */
  async #send(
    attempt: RecordedAttempt,
    isProven: boolean,
    send: () => Promise<void>,
  ): Promise<void> {
    try {
      await send();
    } catch (error) {
      if (isPinRefusal(error)) {
        this.close();
        await this.#recorder.refuse(attempt, error);
        throw error.code === 'TOKEN_PIN_INCORRECT' ? this.#recorder.explain(error, attempt) : error;
      }
      if (isUnusedTry(error)) {
        this.#recorder.remove(attempt);
      } else if (isProven) {
        // A right PIN costs no try, whatever became of the attempt.
        this.#countUnclear(attempt.token);
        this.#recorder.remove(attempt);
      } else {
        this.#recorder.leaveUnclear(attempt);
      }
      throw error;
    }
  }

  #countUnclear(token: TokenInfo): void {
    const reason = this.#pause.countUnclear(nameOfToken(token));
    if (reason !== undefined) {
      this.#options.log('error', printable(reason.message));
    }
  }

  #assertLoginIsSafe(token: TokenInfo): void {
    if (this.#options.latches.role === 'so') {
      return; // the flags of a token are about the user's PIN
    }
    try {
      assertLoginIsSafe(token);
    } catch (error) {
      this.#pause.begin(asAppError(error, 'KEY_PIN', 'PIN'));
      throw error;
    }
  }

  /** The PIN to be sent. @throws AppError KEY_PIN*, SYS_*; logins pause for a while then */
  async #pinOf(token: TokenInfo): Promise<KnownPin> {
    try {
      return await this.#keeper.pinOf(token);
    } catch (error) {
      this.#pause.begin(asAppError(error, 'KEY_PIN', 'PIN'));
      throw error;
    }
  }
}
