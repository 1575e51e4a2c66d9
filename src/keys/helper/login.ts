// Runs in clavigerd and `clavigerd key`: what the helpers of one token share, so that every session
// is of the same token and the same key. Does not trust the token to be the one of the last
// session: a PIN goes only to one of the same serial number, and only if the login guard allows it.

import { AppError } from '../../lib/errors.js';
import type { KeyInfo, TokenInfo } from '../../token/messages.js';
import type { LoginGuard } from '../pin/login-guard.js';
import type { HelperClient } from './helper-client.js';

/** The token and the key of a session. */
export interface TokenIdentity {
  readonly token: TokenInfo;
  readonly key: KeyInfo;
}

/** What logins of a token need of the guard, which decides whether a PIN is sent. */
export type Guard = Pick<LoginGuard, 'assertOpen' | 'login' | 'withProvenPin' | 'close'>;

export class TokenLogin {
  readonly #guard: Guard;
  /** What the first helper found; every other session must find the same. */
  #first: TokenIdentity | undefined;

  constructor(guard: Guard) {
    this.#guard = guard;
  }

  /**
   * Returns while a login may be tried: asked before a helper is started. @throws AppError KEY_*
   */
  assertOpen(): void {
    this.#guard.assertOpen();
  }

  /**
   * Logs a helper in, where the token requires a login and is still the same one.
   * @param again true logs out first; the helper has no other session that could be at work.
   * @throws AppError TOKEN_*, KEY_PIN_HELD, or what reading the PIN throws
   */
  async logIn(
    helper: Pick<HelperClient, 'login' | 'listKeys'>,
    token: TokenInfo,
    again: boolean,
  ): Promise<void> {
    this.#assertSameToken(token);
    if (token.loginRequired) {
      await this.#assertSamePublicKey(helper);
      await this.#guard.login(token, (pin) => helper.login(token, pin, again));
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

  /** Wipes the PIN. */
  close(): void {
    this.#guard.close();
  }

  /** Another token in the same reader must not get the PIN. */
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
   * Nor must a token of the same serial number with another key: a card that was set up anew. A
   * token that shows no public keys before a login is recognised by its serial number alone.
   */
  async #assertSamePublicKey(helper: Pick<HelperClient, 'listKeys'>): Promise<void> {
    const first = this.#first?.key;
    if (first === undefined) {
      return;
    }
    const shown = (await helper.listKeys()).filter(
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
