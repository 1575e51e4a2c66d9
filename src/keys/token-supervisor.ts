// Runs in the daemon: keeps one token ready to sign through a helper process, and replaces the helper
// when it hangs, dies, or its token goes away. It holds the PIN, once it has logged in with it.
// It never sends a PIN again after a refusal: that would use up the token's tries.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { Secret } from '../lib/secret.js';
import type { KeyInfo, KeySelector, TokenInfo, TokenSelector } from '../token/messages.js';
import { TokenHelper, NotBegunError } from './token-helper.js';
import type { KeyLog } from './key-context.js';
import type { Pkcs11Module } from './module-path.js';
import { assertLoginIsSafe, isPinRefusal } from './pin-guard.js';
import { TokenSession } from './token-session.js';

/** Default for the longest time one operation of a token may take. */
export const DEFAULT_TOKEN_TIMEOUT_MS = 30_000;

export interface TokenSupervisorOptions {
  readonly module: Pkcs11Module;
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly log: KeyLog;
  /** Gets the PIN; not called again once a login has succeeded with it. */
  readonly readPin: (token: TokenInfo) => Promise<Secret>;
}

export interface ReadyToken {
  readonly token: TokenInfo;
  readonly key: KeyInfo;
}

interface Running extends ReadyToken {
  readonly session: TokenSession;
}

/** Helpers start one after another: modules that keep files (SoftHSM) race when opened together. */
let lastStart: Promise<unknown> = Promise.resolve();

function inTurn<T>(start: () => Promise<T>): Promise<T> {
  const result = lastStart.then(start);
  lastStart = result.catch(() => undefined);
  return result;
}

export class TokenSupervisor {
  readonly #options: TokenSupervisorOptions;
  #running: Promise<Running> | undefined;
  #session: TokenSession | undefined;
  #ending: Promise<void> = Promise.resolve();
  /** The PIN that a login has succeeded with. */
  #provenPin: Secret | undefined;
  /** The token's refusal of the PIN: from then on nothing is tried any more. */
  #refusal: AppError | undefined;
  /** What the first start found; a fresh helper must find the same. */
  #identity: ReadyToken | undefined;
  #closed = false;

  constructor(options: TokenSupervisorOptions) {
    this.#options = options;
  }

  /** Process ID of the helper; undefined when none runs. */
  get pid(): number | undefined {
    return this.#session?.pid;
  }

  /** Logs in and finds the key, unless that is done. @throws AppError TOKEN_*, or what `readPin` throws */
  start(): Promise<ReadyToken> {
    return this.#ready();
  }

  /**
   * Signs the bytes of a JWS signing input, in JWS form.
   * @throws AppError TOKEN_*
   */
  async sign(input: Buffer): Promise<Buffer> {
    for (;;) {
      const { session } = await this.#ready();
      try {
        return await session.sign(input);
      } catch (error) {
        if (isPinRefusal(error)) {
          this.#latch(error);
        }
        // Simple rule: after any failure the next signature gets a fresh helper.
        this.#retire(session);
        if (!(error instanceof NotBegunError)) {
          throw error;
        }
        // The helper ended over an earlier request, which has the error. This one has not been tried.
      }
    }
  }

  /** Ends the helper and wipes the PIN. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.catch(() => undefined);
    if (this.#session !== undefined) {
      this.#retire(this.#session);
    }
    await this.#ending;
    this.#provenPin?.wipe();
    this.#provenPin = undefined;
  }

  #ready(): Promise<Running> {
    if (this.#refusal !== undefined) {
      return Promise.reject(this.#refusal);
    }
    if (this.#closed) {
      return Promise.reject(new AppError('TOKEN_HELPER', 'token helper: closed'));
    }
    if (this.#running === undefined) {
      const running = inTurn(() => this.#startSession());
      this.#running = running;
      // A failed start is told to all that wait for it, and tried anew by the next request.
      running.catch(() => {
        if (this.#running === running) {
          this.#running = undefined;
        }
      });
    }
    return this.#running;
  }

  async #startSession(): Promise<Running> {
    await this.#ending;
    const { env, log, timeoutMs, module } = this.#options;
    const session = new TokenSession(new TokenHelper(env, log), timeoutMs);
    this.#session = session;
    try {
      await session.load(module);
      const token = await session.openToken(this.#options.token, 'read');
      this.#assertSameToken(token);
      if (token.loginRequired) {
        await this.#login(session, token);
      }
      const key = await session.selectKey(this.#options.key);
      this.#assertSameKey(key);
      this.#identity ??= { token, key };
      const serial = printable(token.serial);
      log('info', `token helper: ready, process ${session.pid ?? 0}, token serial ${serial}`);
      return { session, token, key };
    } catch (error) {
      this.#retire(session);
      throw error;
    }
  }

  async #login(session: TokenSession, token: TokenInfo): Promise<void> {
    assertLoginIsSafe(token);
    const pin = this.#provenPin ?? (await this.#options.readPin(token));
    try {
      await session.login(token, pin);
      this.#provenPin = pin;
    } catch (error) {
      if (isPinRefusal(error)) {
        this.#latch(error);
      }
      if (this.#provenPin !== pin) {
        pin.wipe();
      }
      throw error;
    }
  }

  /** No login will be tried any more, and the PIN is not needed. */
  #latch(refusal: AppError): void {
    this.#refusal = refusal;
    this.#provenPin?.wipe();
    this.#provenPin = undefined;
    const told = printable(refusal.message);
    this.#options.log('error', `${told}; no further attempt until the next start`);
  }

  /** Ends a helper without waiting; the next one starts when it is gone. */
  #retire(session: TokenSession): void {
    if (this.#session === session) {
      this.#session = undefined;
      this.#running = undefined;
      this.#ending = session.close();
    }
  }

  /** Before the PIN is sent: a token put in the other's place must not get it. */
  #assertSameToken(token: TokenInfo): void {
    const first = this.#identity?.token;
    if (first !== undefined && first.serial !== token.serial) {
      const [was, is] = [JSON.stringify(first.serial), JSON.stringify(token.serial)];
      throw new AppError('TOKEN_NOT_FOUND', `token: serial was ${was} and is now ${is}`, {
        hint: 'put the first token back, or start again to use the other one',
      });
    }
  }

  #assertSameKey(key: KeyInfo): void {
    const first = this.#identity?.key;
    if (first !== undefined && JSON.stringify(first.jwk) !== JSON.stringify(key.jwk)) {
      throw new AppError(
        'TOKEN_KEY_NOT_FOUND',
        'key: the token now holds another key of this name',
      );
    }
  }
}
