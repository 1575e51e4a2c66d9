// Runs in the daemon: what the helpers of one token share, so that each new session is as the first
// one was. A PIN goes to a token of the same serial only, and by way of the guard, which decides
// whether at all.

import { AppError } from '../../lib/errors.js';
import type { KeyInfo, TokenInfo } from '../../token/messages.js';
import type { LoginGuard } from '../pin/login-guard.js';
import type { HelperClient } from './helper-client.js';

/** The token and the key of a session. */
export interface TokenIdentity {
  readonly token: TokenInfo;
  readonly key: KeyInfo;
}

export class TokenLogin {
  readonly #guard: LoginGuard;
  /** What the first helper found; every other session must find the same. */
  #first: TokenIdentity | undefined;

  constructor(guard: LoginGuard) {
    this.#guard = guard;
  }

  /**
   * Returns while a login may be tried, for what costs more than that. @throws AppError
   * KEY_PIN_HELD
   */
  assertOpen(): void {
    this.#guard.assertOpen();
  }

  /**
   * Logs a helper in, where the token wants a login at all, and is the one that it was.
   * @param again true logs out first; the helper has no other session that could be at work.
   * @throws AppError TOKEN_*, KEY_PIN_HELD, or what reading the PIN throws
   */
  async logIn(session: HelperClient, token: TokenInfo, again: boolean): Promise<void> {
    this.#assertSameToken(token);
    if (token.loginRequired) {
      await this.#assertSamePublicKey(session);
      await this.#guard.login(token, (pin) => session.login(token, pin, again));
    }
  }

  /**
   * Signs with a session that is logged in.
   * @throws AppError KEY_PIN_HELD for a key that wants the PIN each time, where it has been
   *   refused; what `sign` throws
   */
  sign<T>({ token, key }: TokenIdentity, sign: () => Promise<T>): Promise<T> {
    const needsPin = token.loginRequired && key.alwaysAuthenticate === true;
    return needsPin ? this.#guard.withProvenPin(token, sign) : sign();
  }

  /**
   * The first token and key found are what all others are compared with. @throws AppError
   * TOKEN_KEY_NOT_FOUND
   */
  assertSameKey(found: TokenIdentity): void {
    this.#first ??= found;
    if (!isSameKey(this.#first.key, found.key)) {
      throw anotherKey();
    }
  }

  /** Forgets the PIN. */
  close(): void {
    this.#guard.close();
  }

  /** A token put in the other's place must not get the PIN. */
  #assertSameToken(token: TokenInfo): void {
    const first = this.#first?.token;
    if (first !== undefined && first.serial !== token.serial) {
      const [was, is] = [JSON.stringify(first.serial), JSON.stringify(token.serial)];
      throw new AppError('TOKEN_NOT_FOUND', `token: serial was ${was} and is now ${is}`, {
        hint: 'put the first token back, or start again to use the other one',
      });
    }
  }

  /**
   * Nor must a token of the same serial with another key, a card that was set up anew. Where public
   * keys do not show before a login, the serial has to do.
   */
  async #assertSamePublicKey(session: HelperClient): Promise<void> {
    const first = this.#first?.key;
    if (first === undefined) {
      return;
    }
    const shown = (await session.listKeys()).filter(
      ({ id, jwk }) => id === first.id && jwk !== undefined,
    );
    if (shown.length > 0 && !shown.some((key) => isSameKey(key, first))) {
      throw anotherKey();
    }
  }
}

function isSameKey(left: KeyInfo, right: KeyInfo): boolean {
  return JSON.stringify(left.jwk) === JSON.stringify(right.jwk);
}

function anotherKey(): AppError {
  return new AppError('TOKEN_KEY_NOT_FOUND', 'key: the token now holds another key of this name', {
    hint: 'put the first token back, or start again to use the other key',
  });
}
