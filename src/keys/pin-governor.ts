// The only way from a PIN source to a token. Runs in the daemon and in commands; one for each token.
// One attempt a source: it is noted before it is made, and after a refusal there is no other until the
// source has changed or a person has said so, across restarts and helpers. Logins go one after another.
// It holds the PIN once a login has succeeded with it.

import type { Clock } from '../lib/clock.js';
import { AppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { Secret } from '../lib/secret.js';
import type { TokenInfo } from '../token/messages.js';
import type { KeyLog } from './key-context.js';
import { assertLoginIsSafe, isPinRefusal, isUnusedTry } from './pin-guard.js';
import { GONE } from './pin-identity.js';
import { describeLatch, howToOpen, isHeld, newLatch, type PinLatch } from './pin-latch.js';
import type { PinLatchStore } from './pin-latch-store.js';
import { isUtf8 } from './pin-line.js';

/** Where the PIN of a token comes from. */
export interface TokenPinSource {
  /** For people: `file:/etc/claviger/pin`. */
  readonly name: string;
  /** Changes when the source does; see pin-identity.ts. */
  identify(): string;
  read(token: TokenInfo): Promise<Secret>;
}

/**
 * After a PIN could not be read, or a token said that it is locked, the next look at it is not before this
 * time has passed: neither a person at pinentry nor a card is asked at every request.
 */
const PAUSE_MS = 10_000;
/**
 * A PIN that has worked may have been changed in the token since. When this many logins in a row failed
 * half-way, nobody knows whether they were refused, and the next waits, each time twice as long.
 */
const MAX_UNCLEAR_LOGINS = 2;
const FIRST_UNCLEAR_PAUSE_MS = 60_000;
const MAX_UNCLEAR_PAUSE_MS = 3_600_000;

export interface PinGovernorOptions {
  readonly source: TokenPinSource;
  readonly latches: PinLatchStore;
  readonly log: KeyLog;
  readonly clock: Clock;
}

/** A PIN and what its source was when it was read. */
interface KnownPin {
  readonly secret: Secret;
  readonly identity: string;
}

export class PinGovernor {
  readonly #options: PinGovernorOptions;
  /** The PIN that a login has succeeded with. */
  #proven: KnownPin | undefined;
  /** The token that is known to be latched. */
  #latched: TokenInfo | undefined;
  /** Why there is no attempt until a time, though no latch says so. */
  #pause: { readonly reason: AppError; readonly until: number } | undefined;
  /** Logins with the proven PIN in a row whose outcome is not known. */
  #unclearLogins = 0;
  #lastLogin: Promise<unknown> = Promise.resolve();

  constructor(options: PinGovernorOptions) {
    this.#options = options;
  }

  /**
   * Why no login would be tried now: KEY_PIN_HELD, TOKEN_PIN_LOCKED, KEY_PIN or SYS_*. Looked at before a
   * helper is started for a request: a latched token then costs a look at two files, and no process.
   */
  get refusal(): AppError | undefined {
    if (this.#pause !== undefined && this.#now() < this.#pause.until) {
      return this.#pause.reason;
    }
    if (this.#latched === undefined) {
      return undefined;
    }
    try {
      this.#readLatch(this.#latched, this.#options.source.identify());
      return undefined;
    } catch (error) {
      return asAppError(error);
    }
  }

  /**
   * Logs in with the PIN, which `attempt` sends to the token once and does not keep.
   * @throws AppError KEY_PIN_HELD and TOKEN_PIN_LOCKED without an attempt; KEY_PIN and SYS_* when the PIN
   *   cannot be read or the attempt not be noted; what `attempt` throws.
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

  /** Takes note of a PIN that was refused outside of `login`: for one signature, CKA_ALWAYS_AUTHENTICATE. */
  async refused(token: TokenInfo, refusal: AppError): Promise<void> {
    if (this.refusal !== undefined) {
      return; // several signatures failed together
    }
    const { source, latches } = this.#options;
    const identity = this.#proven?.identity ?? source.identify();
    const latch = newLatch(token, { source: source.name, identity }, undefined, this.#now());
    // At once, and not only when it is on disk.
    this.#pauseFor(refusal);
    try {
      await latches.write(latch);
    } finally {
      await this.#refuse(token, latch, refusal);
    }
  }

  /** Wipes the PIN. */
  close(): void {
    this.#proven?.secret.wipe();
    this.#proven = undefined;
  }

  async #login(token: TokenInfo, attempt: (pin: Secret) => Promise<void>): Promise<void> {
    this.#assertNotUnclear();
    this.#assertLoginIsSafe(token);
    const { source, log } = this.#options;
    const before = this.#readLatch(token, source.identify());
    if (before !== undefined) {
      log('notice', `${nameOf(token)}: the PIN source has changed; trying it once`);
    }
    const pin = await this.#currentPin(token);
    const isProven = pin === this.#proven;
    if (token.pinState === 'count-low' && !isProven) {
      log('warning', `${nameOf(token)}: wrong PINs have used up tries already; trying once`);
    }
    try {
      const origin = { source: source.name, identity: pin.identity };
      const latch = newLatch(token, origin, before, this.#now());
      await this.#options.latches.write(latch);
      await this.#attempt(token, latch, () => attempt(pin.secret), isProven);
    } catch (error) {
      if (this.#proven !== pin) {
        pin.secret.wipe();
      }
      throw error;
    }
    this.#proven = pin;
    this.#latched = undefined;
    this.#pause = undefined;
    this.#unclearLogins = 0;
    await this.#forget(token);
  }

  async #attempt(
    token: TokenInfo,
    latch: PinLatch,
    attempt: () => Promise<void>,
    isProven: boolean,
  ): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (isPinRefusal(error)) {
        await this.#refuse(token, latch, error);
      } else if (isProven || isUnusedTry(error)) {
        // A right PIN costs no try, whatever became of the attempt.
        if (!isUnusedTry(error)) {
          this.#countUnclear(token);
        }
        await this.#forget(token);
      } else {
        this.#latched = token;
        const problem = 'the login failed half-way, which counts as a refused PIN';
        this.#tell(`${nameOf(token)}: ${problem}; ${howToOpen(latch)}`);
      }
      throw error;
    }
  }

  #assertLoginIsSafe(token: TokenInfo): void {
    try {
      assertLoginIsSafe(token);
    } catch (error) {
      this.#pauseFor(error);
      throw error;
    }
  }

  #pauseFor(error: unknown, pauseMs = PAUSE_MS): void {
    this.#pause = { reason: asAppError(error), until: this.#now() + pauseMs };
  }

  #countUnclear(token: TokenInfo): void {
    this.#unclearLogins += 1;
    const doublings = this.#unclearLogins - MAX_UNCLEAR_LOGINS;
    if (doublings < 0) {
      return;
    }
    const pauseMs = Math.min(FIRST_UNCLEAR_PAUSE_MS * 2 ** doublings, MAX_UNCLEAR_PAUSE_MS);
    const problem = `${this.#unclearLogins} logins failed half-way; no PIN is tried for ${pauseMs / 60_000} min`;
    const reason = new AppError('KEY_PIN_HELD', `${nameOf(token)}: ${problem}`, {
      hint: 'look after the token and its reader; a restart tries at once',
    });
    this.#pauseFor(reason, pauseMs);
    this.#tell(reason.message);
  }

  /** Recovery within a running helper asks for a login, too. @throws AppError KEY_PIN_HELD */
  #assertNotUnclear(): void {
    const pause = this.#unclearLogins < MAX_UNCLEAR_LOGINS ? undefined : this.#pause;
    if (pause !== undefined && this.#now() < pause.until) {
      throw pause.reason;
    }
  }

  /** The latch that is there but open, or none. @throws AppError KEY_PIN_HELD */
  #readLatch(token: TokenInfo, identity: string): PinLatch | undefined {
    this.#latched = token;
    const latch = this.#options.latches.read(token);
    if (latch !== undefined && isHeld(latch, identity)) {
      const problem = `${nameOf(token)}: no PIN is tried: ${printable(describeLatch(latch))}`;
      throw new AppError('KEY_PIN_HELD', problem, { hint: printable(howToOpen(latch)) });
    }
    this.#latched = undefined;
    return latch;
  }

  /** The PIN that has worked, unless its source holds another one by now; else a fresh one. */
  async #currentPin(token: TokenInfo): Promise<KnownPin> {
    const { source } = this.#options;
    const identity = source.identify();
    if (this.#proven !== undefined && [this.#proven.identity, GONE].includes(identity)) {
      return this.#proven;
    }
    try {
      const secret = await source.read(token);
      if (!secret.use(isUtf8)) {
        throw new AppError('KEY_PIN', `PIN: ${source.name} is not UTF-8, and no token takes that`);
      }
      if (source.identify() !== identity) {
        throw new AppError('KEY_PIN', `PIN: ${source.name} changed while it was read`);
      }
      this.close();
      return { secret, identity };
    } catch (error) {
      this.#pauseFor(error);
      throw error;
    }
  }

  async #refuse(token: TokenInfo, latch: PinLatch, refusal: AppError): Promise<void> {
    this.close();
    this.#latched = token;
    this.#tell(`${refusal.message}; no further attempt: ${howToOpen(latch)}`);
    // Should this fail: the note of the attempt is on disk, and holds as well.
    await this.#options.latches.write({ ...latch, state: 'refused', reason: refusal.message });
  }

  async #forget(token: TokenInfo): Promise<void> {
    try {
      await this.#options.latches.remove(token);
    } catch (error) {
      this.#tell(`${messageOf(error)}; remove it, or the next start finds the PIN refused`);
    }
  }

  #tell(problem: string): void {
    this.#options.log('error', printable(problem));
  }

  #now(): number {
    return this.#options.clock.now();
  }
}

function asAppError(error: unknown): AppError {
  return error instanceof AppError
    ? error
    : new AppError('KEY_PIN', `PIN: ${messageOf(error)}`, { cause: error });
}

function nameOf({ label, serial }: Pick<TokenInfo, 'label' | 'serial'>): string {
  return `token ${printable(JSON.stringify(label))} (serial ${printable(serial)})`;
}
