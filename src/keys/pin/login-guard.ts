// The only way from a PIN source to a token. Runs in the daemon and in commands; one for each
// token. One attempt a source: it is noted before it is made, and after a refusal there is no other
// until the source has changed or a person has said so, across restarts, helpers and processes.
// Logins go one after another: of all processes with this state directory the one that holds the
// token's lock reads the latch, notes and tries. It holds the PIN once a login has succeeded with
// it.

import type { Clock } from '../../lib/clock.js';
import { AppError, asAppError, isAppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { Secret } from '../../lib/secret.js';
import type { TokenInfo } from '../../token/messages.js';
import type { KeyLog } from '../key-context.js';
import { LoginPause } from './login-pause.js';
import { assertLoginIsSafe, isPinRefusal, isUnusedTry } from './pin-refusal.js';
import type { LoginAttempts } from './login-attempts.js';
import {
  errorOfLatch,
  formatLatch,
  howToOpen,
  isHeld,
  nameOfToken,
  newLatch,
  type PinLatch,
} from './latch.js';
import type { HeldLatch, PinLatchStore } from './latch-store.js';
import { PinKeeper, type KnownPin, type TokenPinSource } from './pin-keeper.js';

export interface LoginGuardOptions {
  readonly source: TokenPinSource;
  readonly latches: PinLatchStore;
  readonly attempts: LoginAttempts;
  /** Longest time that another process may be logging in. */
  readonly lockWaitMs: number;
  readonly log: KeyLog;
  readonly clock: Clock;
}

/** An attempt, its note, and where that is. */
interface Noted {
  readonly token: TokenInfo;
  readonly latch: PinLatch;
  readonly held: HeldLatch;
}

export class LoginGuard {
  readonly #options: LoginGuardOptions;
  readonly #keeper: PinKeeper;
  /** The token that is known to be latched. */
  #latched: TokenInfo | undefined;
  /**
   * The text of a latch whose attempt nobody makes any more, though it does not say how that ended.
   */
  #abandoned: string | undefined;
  readonly #pause: LoginPause;
  #lastLogin: Promise<unknown> = Promise.resolve();

  constructor(options: LoginGuardOptions) {
    this.#options = options;
    this.#keeper = new PinKeeper(options.source);
    this.#pause = new LoginPause(options.clock);
  }

  /**
   * Why no login would be tried now: KEY_PIN_HELD, TOKEN_PIN_LOCKED, KEY_PIN or SYS_*. Looked at
   * before a helper is started for a request: a latched token then costs a look at two files, and
   * no process.
   */
  get refusal(): AppError | undefined {
    const { reason } = this.#pause;
    if (reason !== undefined || this.#latched === undefined) {
      return reason;
    }
    try {
      const latch = this.#options.latches.read(this.#latched);
      // Of an attempt that is perhaps under way, the lock of the token tells; and that is waited
      // for.
      if (latch?.state !== 'attempting' || formatLatch(latch) === this.#abandoned) {
        this.#assertNotHeld(latch);
      }
      return undefined;
    } catch (error) {
      return asAppError(error, 'KEY_PIN', 'PIN');
    }
  }

  /**
   * Logs in with the PIN, which `attempt` sends to the token once and does not keep.
   * @throws AppError KEY_PIN_HELD and TOKEN_PIN_LOCKED without an attempt, also when another
   *   process has been at the token for too long; KEY_PIN and SYS_* when the PIN cannot be read or
   *   the attempt not be noted; what `attempt` throws.
   */
  login(token: TokenInfo, attempt: (pin: Secret) => Promise<void>): Promise<void> {
    const result = this.#lastLogin.then(() => this.#login(token, attempt));
    this.#lastLogin = result.catch(() => undefined);
    return result;
  }

  /** Returns while a login may be tried. @throws AppError what `refusal` says */
  assertOpen(): void {
    const { refusal } = this;
    if (refusal !== undefined) {
      throw refusal;
    }
  }

  /**
   * Has the token look at the PIN once more, after a login with it: for a signature of a key that
   * wants it each time, CKA_ALWAYS_AUTHENTICATE. That is not noted; when it is refused all the
   * same, no other process sends it again.
   * @throws AppError KEY_PIN_HELD without an attempt; what `use` throws
   */
  withProvenPin<T>(token: TokenInfo, use: (pin: Secret) => Promise<T>): Promise<T> {
    return this.#hold(token, async (held) => {
      const { source, attempts } = this.#options;
      this.#readLatch(token, held);
      const pin = this.#keeper.proven?.secret;
      if (pin === undefined) {
        throw new AppError('KEY_PIN_HELD', `${nameOfToken(token)}: no PIN has worked yet`);
      }
      try {
        return await attempts.make(() => use(pin));
      } catch (error) {
        if (isPinRefusal(error)) {
          const identity = this.#keeper.proven?.identity ?? source.identify();
          const latch = newLatch(token, this.#originOf(identity), undefined, this.#now());
          await this.#refuse({ token, latch, held }, error);
        }
        throw error;
      }
    });
  }

  /** Wipes the PIN. */
  close(): void {
    this.#keeper.forget();
  }

  async #login(token: TokenInfo, attempt: (pin: Secret) => Promise<void>): Promise<void> {
    this.#pause.assertNotUnclear();
    this.#assertLoginIsSafe(token);
    const asked = await this.#askFirst(token);
    try {
      await this.#hold(token, (held) => this.#logIn(token, attempt, asked, held));
    } finally {
      this.#keeper.wipeUnlessProven(asked);
    }
  }

  /** While this runs no other process looks at the latch, notes or tries. */
  async #hold<T>(token: TokenInfo, use: (held: HeldLatch) => Promise<T>): Promise<T> {
    const { latches, attempts, lockWaitMs: waitMs } = this.#options;
    return await latches.hold(token, { waitMs, signal: attempts.signal }, use);
  }

  /**
   * A person is not asked while others wait for the token, nor for a PIN that would not be tried.
   */
  async #askFirst(token: TokenInfo): Promise<KnownPin | undefined> {
    if (!this.#options.source.mayAsk || this.#keeper.proven !== undefined) {
      return undefined;
    }
    this.assertOpen();
    return await this.#pinOf(token);
  }

  async #logIn(
    token: TokenInfo,
    attempt: (pin: Secret) => Promise<void>,
    asked: KnownPin | undefined,
    held: HeldLatch,
  ): Promise<void> {
    const { log, attempts } = this.#options;
    const before = this.#readLatch(token, held);
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
        // the source may have been changed back meanwhile
        this.#assertNotHeld(before, pin.identity);
        const latch = newLatch(token, this.#originOf(pin.identity), before, this.#now());
        await held.write(latch);
        await this.#attempt({ token, latch, held }, isProven, () => attempt(pin.secret));
        this.#forget(held);
      });
    } catch (error) {
      this.#keeper.wipeUnlessProven(pin);
      throw error;
    }
    this.#keeper.keep(pin);
    this.#latched = undefined;
    this.#pause.end();
  }

  async #attempt(
    { token, latch, held }: Noted,
    isProven: boolean,
    attempt: () => Promise<void>,
  ): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (isPinRefusal(error)) {
        await this.#refuse({ token, latch, held }, error);
        throw isAppError(error, 'TOKEN_PIN_INCORRECT') ? this.#withWayOut(error, latch) : error;
      }
      if (isProven || isUnusedTry(error)) {
        // A right PIN costs no try, whatever became of the attempt.
        if (!isUnusedTry(error)) {
          this.#tell(this.#pause.countUnclear(nameOfToken(token))?.message);
        }
        this.#forget(held);
      } else {
        this.#latched = token;
        this.#abandoned = formatLatch(latch);
        const problem = 'the login failed half-way, which counts as a refused PIN';
        this.#tell(`${nameOfToken(token)}: ${problem}; ${this.#howToOpen(latch)}`);
      }
      throw error;
    }
  }

  #assertLoginIsSafe(token: TokenInfo): void {
    if (this.#options.latches.role === 'so') {
      return; // what the token tells is of the user's PIN
    }
    try {
      assertLoginIsSafe(token);
    } catch (error) {
      this.#pause.begin(asAppError(error, 'KEY_PIN', 'PIN'));
      throw error;
    }
  }

  /** The latch that is there but open, or none. @throws AppError KEY_PIN_HELD */
  #readLatch(token: TokenInfo, held: HeldLatch): PinLatch | undefined {
    this.#latched = token;
    const latch = held.read();
    // Whoever made the attempt held the lock, and it is ours now.
    this.#abandoned = latch?.state === 'attempting' ? formatLatch(latch) : undefined;
    this.#assertNotHeld(latch);
    this.#latched = undefined;
    return latch;
  }

  #assertNotHeld(latch: PinLatch | undefined, identity = this.#options.source.identify()): void {
    if (latch !== undefined && isHeld(latch, identity)) {
      throw errorOfLatch(latch, this.#options.latches.stateDirectory);
    }
  }

  /**
   * The PIN to be sent. @throws AppError KEY_PIN, SYS_*; no source is asked again for a while then
   */
  async #pinOf(token: TokenInfo): Promise<KnownPin> {
    try {
      return await this.#keeper.pinOf(token);
    } catch (error) {
      this.#pause.begin(asAppError(error, 'KEY_PIN', 'PIN'));
      throw error;
    }
  }

  async #refuse({ token, latch, held }: Noted, refusal: AppError): Promise<void> {
    this.close();
    this.#latched = token;
    this.#tell(`${refusal.message}; no further attempt: ${this.#howToOpen(latch)}`);
    // Should this fail: the note of the attempt is on disk, and holds as well.
    await held.write({ ...latch, state: 'refused', reason: refusal.message });
  }

  #forget(held: HeldLatch): void {
    try {
      held.remove();
    } catch (error) {
      this.#tell(`${messageOf(error)}; remove it, or the next start finds the PIN refused`);
    }
  }

  #originOf(identity: string): Pick<PinLatch, 'source' | 'identity' | 'role'> {
    const { source, latches } = this.#options;
    const role = latches.role === 'so' ? { role: latches.role } : {};
    return { source: source.name, identity, ...role };
  }

  #howToOpen(latch: PinLatch): string {
    return howToOpen(latch, this.#options.latches.stateDirectory);
  }

  /** A refusal with what to do about it here. */
  #withWayOut(refusal: AppError, latch: PinLatch): AppError {
    const hint = `one attempt was made and no other will be: ${printable(this.#howToOpen(latch))}`;
    return new AppError(refusal.code, refusal.message, { hint, cause: refusal });
  }

  #tell(problem: string | undefined): void {
    if (problem !== undefined) {
      this.#options.log('error', printable(problem));
    }
  }

  #now(): number {
    return this.#options.clock.now();
  }
}
