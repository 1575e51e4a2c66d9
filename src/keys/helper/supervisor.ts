// Runs in the daemon: keeps one token helper ready to sign, and climbs the recovery ladder when it
// is not. What to do about a failure stands in recovery-table.ts; this file only does it. Nothing
// that a session knew, object handles above all, outlives a rung.

import type { KeySelector, TokenSelector } from '../../token/messages.js';
import { returnValueOf } from '../../token/token-error.js';
import { AppError, messageOf } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import type { KeyLog } from '../key-context.js';
import type { Pkcs11Module } from '../pkcs11/module-path.js';
import { decideRecovery, type Failure, type Remedy, type Rung } from './recovery-table.js';
import { NotBegunError, HelperProcess } from './helper-process.js';
import type { TokenIdentity, TokenLogin } from './login.js';
import { HelperClient } from './helper-client.js';

/** Default for the longest time one operation of a token may take. */

/** When all ends, what is in hand gets this time: systemd waits for us, and a start may hang. */
const CLOSE_GRACE_MS = 4_000;
/** Times one request may be sent, whatever happens to the others beside it. */
const MAX_ATTEMPTS = 8;

export interface TokenSupervisorOptions {
  readonly module: Pkcs11Module;
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly log: KeyLog;
  /** Shared by all helpers of a token. */
  readonly login: TokenLogin;
  /** Told whenever a helper is lost: ended by itself, or killed. */
  readonly onLoss: () => void;
}

/** What a supervisor asks and tells while it signs. */
export interface SigningHooks {
  /** The helper has begun; called again for each attempt. */
  readonly onBegin: () => void;
  /** False when nobody waits for the signature any more: it is not tried again. */
  readonly isWanted: () => boolean;
}

/** A session that is ready to sign. */
interface ReadySession extends TokenIdentity {
  readonly session: HelperClient;
  /** The rung that led here; undefined once it has signed. The next failure goes on from it. */
  rung: Rung | undefined;
}

type Step = Exclude<Rung, 'back-off'>;

/**
 * Modules that keep files (SoftHSM) race when opened together: helpers of one module start in turn.
 */
const lastStarts = new Map<string, Promise<unknown>>();

function inTurn<T>(module: string, start: () => Promise<T>): Promise<T> {
  const result = (lastStarts.get(module) ?? Promise.resolve()).then(start);
  lastStarts.set(
    module,
    result.catch(() => undefined),
  );
  return result;
}

export class TokenSupervisor {
  readonly #options: TokenSupervisorOptions;
  #readySession: Promise<ReadySession> | undefined;
  #session: HelperClient | undefined;
  /** The one before, which may still have work. */
  #retired: HelperClient | undefined;
  #isReady = false;
  #ending: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: TokenSupervisorOptions) {
    this.#options = options;
  }

  /** Process ID of the helper; undefined when none runs. */
  get pid(): number | undefined {
    return this.#session?.pid;
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
   * Signs the bytes of a JWS signing input, in JWS form. A failure that recovery helps against is
   * not seen.
   * @throws AppError TOKEN_*
   */
  async sign(input: Buffer, hooks: SigningHooks): Promise<Buffer> {
    for (let attempt = 1; ; attempt += 1) {
      const ready = this.#ready();
      const readySession = await ready;
      try {
        const signature = await this.#options.login.sign(readySession, () =>
          readySession.session.sign(input, hooks.onBegin),
        );
        readySession.rung = undefined;
        return signature;
      } catch (error) {
        const remedy = decideAfter(error, readySession.rung);
        if (!isStep(remedy) || attempt === MAX_ATTEMPTS || !hooks.isWanted()) {
          this.#giveUp(ready, remedy);
          throw error;
        }
        // Of several requests that failed together, the first one climbs and the others wait.
        if (this.#readySession === ready) {
          void this.#become(this.#climb(readySession, remedy, error));
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
    this.#end((session) => session.close());
  }

  /** Ends the helper at once. */
  kill(): void {
    this.#end((session) => session.kill());
  }

  /** Ends the helper for good. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#isReady) {
      await this.#readySession; // what was asked in this turn of the event loop is sent first
    }
    const retired = this.#retired;
    this.#end((session) => session.close(CLOSE_GRACE_MS));
    await Promise.all([this.#ending, retired?.close(CLOSE_GRACE_MS)]);
  }

  #ready(): Promise<ReadySession> {
    return this.#readySession ?? this.#become(this.#startHelper(undefined));
  }

  #assertOpen(): void {
    if (this.#closed) {
      throw new AppError('TOKEN_HELPER', 'token helper: closed');
    }
  }

  /** Takes a session that is on its way; when it fails, the next request begins anew. */
  #become(next: Promise<ReadySession>): Promise<ReadySession> {
    this.#readySession = next;
    this.#isReady = false;
    void next.then(
      ({ session }) => {
        this.#isReady = this.#readySession === next;
        if (!this.#isReady) {
          void session.close(); // ended meanwhile: nobody else knows of it
        }
      },
      () => {
        if (this.#readySession === next) {
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
        next = decideAfter(error, next);
      }
    }
    throw failure;
  }

  async #step(rung: Step, { session, token }: ReadySession): Promise<ReadySession> {
    switch (rung) {
      case 'find-key':
        return this.#findKey(session, token, rung);
      case 'new-session':
      case 'log-in':
        return this.#openSession(session, rung);
      case 'reinitialise':
        await session.reinitialise();
        return this.#openSession(session, rung);
      case 'new-helper':
        await session.kill();
        this.#options.onLoss();
        return this.#startHelper(rung);
    }
  }

  #startHelper(rung: Rung | undefined): Promise<ReadySession> {
    const { env, log, timeoutMs, module } = this.#options;
    return inTurn(module.path, async () => {
      await this.#ending;
      this.#assertOpen();
      this.#options.login.assertOpen();
      const session = new HelperClient(new HelperProcess(env, log), timeoutMs);
      this.#session = session;
      await session.load(module);
      const readySession = await this.#openSession(session, rung);
      const serial = printable(readySession.token.serial);
      log('info', `token helper: ready, process ${session.pid ?? 0}, token serial ${serial}`);
      return readySession;
    });
  }

  async #openSession(session: HelperClient, rung: Rung | undefined): Promise<ReadySession> {
    const token = await session.openToken(this.#options.token, 'read');
    await this.#options.login.logIn(session, token, rung === 'log-in');
    return this.#findKey(session, token, rung);
  }

  async #findKey(
    session: HelperClient,
    token: TokenIdentity['token'],
    rung: Rung | undefined,
  ): Promise<ReadySession> {
    const key = await session.selectKey(this.#options.key);
    this.#options.login.assertSameKey({ token, key });
    return { session, token, key, rung };
  }

  /**
   * After a failure that is not recovered from here: what the table calls the token's own trouble
   * ends the helper.
   */
  #giveUp(ready: Promise<ReadySession>, remedy: Remedy): void {
    if (remedy !== 'request' && remedy !== 'operator' && this.#readySession === ready) {
      this.#options.onLoss();
      this.kill();
    }
  }

  #end(how: (session: HelperClient) => Promise<void>): void {
    const session = this.#session;
    this.#session = undefined;
    this.#readySession = undefined;
    this.#isReady = false;
    if (session !== undefined) {
      this.#retired = session;
      this.#ending = how(session);
    }
  }
}

function decideAfter(error: unknown, reached: Rung | undefined): Remedy {
  // The helper ended over another request, or between two: this one has not been tried.
  return error instanceof NotBegunError ? 'new-helper' : decideRecovery(failureOf(error), reached);
}

function isStep(remedy: Remedy): remedy is Step {
  return remedy !== 'request' && remedy !== 'operator' && remedy !== 'back-off';
}

/** What the recovery table is asked about. */
export function failureOf(error: unknown): Failure {
  const code = error instanceof AppError ? error.code : 'TOKEN_FAILED';
  return { code, returnValue: returnValueOf(error) };
}
