// Runs in clavigerd and `clavigerd key`: keeps one token helper ready to sign. After a failure it
// takes the steps of the recovery table, one after another, until the token signs again or none is
// left. Does not trust the helper: whatever it does, a request is sent a bounded number of times.

import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { KeyLog } from '../key-context.js';
import type { Pkcs11Module } from '../pkcs11/module-path.js';
import type { TokenIdentity } from './login.js';
import { startInTurn } from './module-starts.js';
import {
  SessionOpener,
  type ReadySession,
  type SessionOptions,
  type SigningHelper,
} from './ready-session.js';
import type { Remedy, Rung } from './recovery-table.js';
import { isStep, remedyFor, type Step } from './remedy.js';

/**
 * Longest time for requests in hand when everything ends: systemd waits for clavigerd, and a start
 * may hang.
 */
const CLOSE_GRACE_MS = 4_000;
/** Times one request may be sent, whatever happens to the others beside it. */
const MAX_ATTEMPTS = 8;

export interface TokenSupervisorOptions extends SessionOptions {
  readonly module: Pkcs11Module;
  readonly log: KeyLog;
  /** Starts a helper process. */
  readonly startHelper: () => SigningHelper;
  /** Called whenever a helper is lost: ended by itself, or killed. */
  readonly onLoss: () => void;
}

/** What a supervisor calls and asks while it signs. */
interface SigningHooks {
  /** The helper has begun; called again for each attempt. */
  readonly onBegin: () => void;
  /** False when the client has disconnected: the signature is not tried again. */
  readonly isWanted: () => boolean;
}

export class TokenSupervisor {
  readonly #options: TokenSupervisorOptions;
  readonly #opener: SessionOpener;
  /** The session that signs, or is being prepared. */
  #current: Promise<ReadySession> | undefined;
  #helper: SigningHelper | undefined;
  /** The helper before, which may still have requests. */
  #retired: SigningHelper | undefined;
  #isReady = false;
  #ending: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: TokenSupervisorOptions) {
    this.#options = options;
    this.#opener = new SessionOpener(options);
  }

  /** Process ID of the helper; undefined when none runs. */
  get pid(): number | undefined {
    return this.#helper?.pid;
  }

  /** True when a signature needs no start and no recovery first. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /**
   * Logs in and finds the key, unless that is done. @throws AppError TOKEN_*, or what reading the
   * PIN throws
   */
  start(): Promise<TokenIdentity> {
    return this.#ready();
  }

  /**
   * Signs the bytes of a JWS signing input, in JWS form. The caller does not see a failure that
   * recovery helps against.
   * @throws AppError TOKEN_*
   */
  async sign(input: Buffer, hooks: SigningHooks): Promise<Buffer> {
    for (let attempt = 1; ; attempt += 1) {
      const ready = this.#ready();
      const session = await ready;
      try {
        const signature = await this.#options.login.sign(session, () =>
          session.helper.sign(input, hooks.onBegin),
        );
        session.rung = undefined;
        return signature;
      } catch (error) {
        const remedy = remedyFor(error, session.rung);
        if (!isStep(remedy) || attempt === MAX_ATTEMPTS || !hooks.isWanted()) {
          this.#giveUp(ready, remedy);
          throw error;
        }
        // Of several requests that failed together, the first one climbs and the others wait.
        if (this.#current === ready) {
          void this.#become(this.#climb(session, remedy, error));
        }
      }
    }
  }

  /**
   * Ends the helper after what it has in hand; the next signature starts a fresh one. To be
   * preferred to `kill`: SoftHSM writes the token's file anew at each login, and loses the token
   * when killed meanwhile.
   */
  retire(): void {
    this.#end((helper) => helper.close());
  }

  /** Ends the helper at once. */
  kill(): void {
    this.#end((helper) => helper.kill());
  }

  /** Ends the helper for good. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#isReady) {
      await this.#current; // requests of this turn of the event loop are sent first
    }
    const retired = this.#retired;
    this.#end((helper) => helper.close(CLOSE_GRACE_MS));
    await Promise.all([this.#ending, retired?.close(CLOSE_GRACE_MS)]);
  }

  #ready(): Promise<ReadySession> {
    return this.#current ?? this.#become(this.#startHelper(undefined));
  }

  /** Takes a session that is being prepared; when that fails, the next request starts anew. */
  #become(next: Promise<ReadySession>): Promise<ReadySession> {
    this.#current = next;
    this.#isReady = false;
    void next.then(
      ({ helper }) => {
        this.#isReady = this.#current === next;
        if (!this.#isReady) {
          void helper.close(); // ended meanwhile: nothing else refers to it
        }
      },
      () => {
        if (this.#current === next) {
          this.#options.onLoss();
          this.retire();
        }
      },
    );
    return next;
  }

  /** Climbs from a failed session until a rung holds. @throws what the last rung threw */
  async #climb(from: ReadySession, first: Step, cause: unknown): Promise<ReadySession> {
    let failure = cause;
    for (let next: Remedy = first; isStep(next);) {
      const reason = printable(messageOf(failure));
      this.#options.log('warning', `token helper: ${reason}; recovery: ${next}`);
      try {
        return await this.#step(next, from);
      } catch (error) {
        failure = error;
        next = remedyFor(error, next);
      }
    }
    throw failure;
  }

  async #step(rung: Step, from: ReadySession): Promise<ReadySession> {
    if (rung !== 'new-helper') {
      return this.#opener.reopen(from, rung);
    }
    await from.helper.kill();
    this.#options.onLoss();
    return this.#startHelper(rung);
  }

  #startHelper(rung: Rung | undefined): Promise<ReadySession> {
    const { log, login, module, startHelper } = this.#options;
    return startInTurn(module.path, async () => {
      await this.#ending;
      if (this.#closed) {
        throw new AppError('TOKEN_HELPER', 'token helper: closed');
      }
      login.assertOpen();
      const helper = startHelper();
      this.#helper = helper;
      await helper.load(module);
      const session = await this.#opener.open(helper, rung);
      const serial = printable(session.token.serial);
      log('info', `token helper: ready, process ${helper.pid ?? 0}, token serial ${serial}`);
      return session;
    });
  }

  /** Ends the helper after a failure that is the token's, and that no recovery helps against. */
  #giveUp(ready: Promise<ReadySession>, remedy: Remedy): void {
    if (remedy !== 'request' && remedy !== 'operator' && this.#current === ready) {
      this.#options.onLoss();
      this.kill();
    }
  }

  #end(how: (helper: SigningHelper) => Promise<void>): void {
    const helper = this.#helper;
    this.#helper = undefined;
    this.#current = undefined;
    this.#isReady = false;
    if (helper !== undefined) {
      this.#retired = helper;
      this.#ending = how(helper);
    }
  }
}
