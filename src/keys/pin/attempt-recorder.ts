// Records each login attempt in the latch of its token, and reads there whether an attempt is
// allowed. Runs in clavigerd and its commands; one for each login guard, which decides and sends.
// It never sees the PIN. Latch files that other processes wrote are trusted only to forbid.

import type { Clock } from '../../lib/clock.js';
import { asAppError, messageOf, type AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { TokenInfo } from '../../token/messages.js';
import { returnValueOf, TokenError } from '../../token/token-error.js';
import type { KeyLog } from '../key-context.js';
import {
  errorOfLatch,
  forbidsAttempt,
  formatLatch,
  howToClear,
  newLatch,
  type PinLatch,
} from './latch.js';
import type { LockedLatch, PinLatchStore } from './latch-store.js';
import type { TokenPinSource } from './pin-keeper.js';
import type { PinRefusal } from './pin-refusal.js';
import { nameOfToken } from './token-name.js';

interface AttemptRecorderOptions {
  readonly source: Pick<TokenPinSource, 'name' | 'identify'>;
  readonly latches: Pick<PinLatchStore, 'stateDirectory' | 'role' | 'read'>;
  readonly log: KeyLog;
  readonly clock: Clock;
}

/** An attempt, and the latch in which it is recorded. */
export interface RecordedAttempt {
  readonly token: TokenInfo;
  readonly latch: PinLatch;
  readonly locked: LockedLatch;
}

export class AttemptRecorder {
  readonly #options: AttemptRecorderOptions;
  /** The token whose latch forbade an attempt when it was last looked at. */
  #latched: TokenInfo | undefined;
  /**
   * The text of a latch that says `attempting` though the attempt has ended: this process has held
   * the lock since.
   */
  #abandoned: string | undefined;

  constructor(options: AttemptRecorderOptions) {
    this.#options = options;
  }

  /** Why the latch forbids an attempt now. Looks without the lock. */
  get refusal(): AppError | undefined {
    if (this.#latched === undefined) {
      return undefined;
    }
    try {
      const latch = this.#options.latches.read(this.#latched);
      // Another process may be making this attempt now. Only the lock shows that: let the login
      // wait for it.
      const mayBeUnderWay = latch?.state === 'attempting' && formatLatch(latch) !== this.#abandoned;
      if (!mayBeUnderWay) {
        this.assertAllowed(latch);
      }
      return undefined;
    } catch (error) {
      return asAppError(error, 'KEY_PIN', 'PIN');
    }
  }

  /**
   * The latch that is there and allows an attempt, or none. @throws AppError KEY_PIN_HELD, SYS_*
   */
  read(token: TokenInfo, locked: LockedLatch): PinLatch | undefined {
    this.#latched = token;
    const latch = locked.read();
    // Whoever made the attempt held the lock, and this process holds it now.
    this.#abandoned = latch?.state === 'attempting' ? formatLatch(latch) : undefined;
    this.assertAllowed(latch);
    this.#latched = undefined;
    return latch;
  }

  /** @param identity that of the PIN to be sent. @throws AppError KEY_PIN_HELD */
  assertAllowed(latch: PinLatch | undefined, identity = this.#options.source.identify()): void {
    if (latch !== undefined && forbidsAttempt(latch, identity)) {
      throw errorOfLatch(latch, this.#options.latches.stateDirectory);
    }
  }

  /**
   * An attempt that is not on disk yet.
   * @param before the latch that it replaces, if any.
   */
  newAttempt(
    token: TokenInfo,
    locked: LockedLatch,
    identity: string,
    before: PinLatch | undefined,
  ): RecordedAttempt {
    const { source, latches, clock } = this.#options;
    const role = latches.role === 'so' ? { role: latches.role } : {};
    const origin = { source: source.name, identity, ...role };
    return { token, latch: newLatch(token, origin, before, clock.now()), locked };
  }

  /** Records that the attempt begins. On disk when it resolves. @throws AppError SYS_* */
  begin({ latch, locked }: RecordedAttempt): Promise<void> {
    return locked.write(latch);
  }

  /** Records that the token refused the PIN. @throws AppError SYS_* */
  async refuse({ token, latch, locked }: RecordedAttempt, refusal: PinRefusal): Promise<void> {
    this.#latched = token;
    this.#logError(`${refusal.message}; no further attempt: ${this.#howToClear(latch)}`);
    // Should this fail: the record of its beginning is on disk, and forbids as well.
    await locked.write({ ...latch, state: 'refused', reason: refusal.message });
  }

  /** The refusal with what to do about it in this state directory. */
  explain(refusal: PinRefusal, { latch }: RecordedAttempt): TokenError {
    return new TokenError(refusal.code, refusal.message, {
      hint: `one attempt was made and no other will be: ${printable(this.#howToClear(latch))}`,
      returnValue: returnValueOf(refusal),
      cause: refusal,
    });
  }

  /** Leaves the attempt recorded, for whether the token refused the PIN is not known. */
  leaveUnclear({ token, latch }: RecordedAttempt): void {
    this.#latched = token;
    this.#abandoned = formatLatch(latch);
    const problem = 'the login failed half-way, which counts as a refused PIN';
    this.#logError(`${nameOfToken(token)}: ${problem}; ${this.#howToClear(latch)}`);
  }

  /** Removes the record of an attempt that cost no try. */
  remove({ locked }: RecordedAttempt): void {
    try {
      locked.remove();
    } catch (error) {
      this.#logError(`${messageOf(error)}; remove it, or the next start finds the PIN refused`);
    }
  }

  #howToClear(latch: PinLatch): string {
    return howToClear(latch, this.#options.latches.stateDirectory);
  }

  #logError(problem: string): void {
    this.#options.log('error', printable(problem));
  }
}
