// Runs in clavigerd and `clavigerd key`: from a token helper to a session that can sign (token
// opened, logged in, key found), and the steps that bring a failed session back. What to do about
// which failure stands in recovery-table.ts. Nothing that a session knew, object handles above all,
// is used after a step.

import type { KeySelector, TokenInfo, TokenSelector } from '../../token/messages.js';
import type { HelperClient } from './helper-client.js';
import type { TokenIdentity, TokenLogin } from './login.js';
import type { Rung } from './recovery-table.js';

/** What signing needs of a helper. */
export type SigningHelper = Pick<
  HelperClient,
  | 'pid'
  | 'load'
  | 'reinitialise'
  | 'openToken'
  | 'login'
  | 'listKeys'
  | 'selectKey'
  | 'sign'
  | 'close'
  | 'kill'
>;

/** A session that can sign. */
export interface ReadySession extends TokenIdentity {
  readonly helper: SigningHelper;
  /** The rung that led here; undefined once it has signed. The next failure goes on from it. */
  rung: Rung | undefined;
}

export interface SessionOptions {
  readonly token: TokenSelector;
  readonly key: KeySelector;
  /** Shared by all helpers of a token. */
  readonly login: TokenLogin;
}

export class SessionOpener {
  readonly #options: SessionOptions;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Opens the token, logs in and finds the key. @throws AppError TOKEN_*, KEY_PIN*, SYS_* */
  async open(helper: SigningHelper, rung: Rung | undefined): Promise<ReadySession> {
    const token = await helper.openToken(this.#options.token, 'read');
    await this.#options.login.logIn(helper, token, rung === 'log-in');
    return this.#findKey(helper, token, rung);
  }

  /** Does what a rung says with the helper of a failed session. @throws as `open` */
  async reopen(
    { helper, token }: ReadySession,
    rung: Exclude<Rung, 'new-helper' | 'back-off'>,
  ): Promise<ReadySession> {
    if (rung === 'find-key') {
      return this.#findKey(helper, token, rung);
    }
    if (rung === 'reinitialise') {
      await helper.reinitialise();
    }
    return this.open(helper, rung);
  }

  async #findKey(
    helper: SigningHelper,
    token: TokenInfo,
    rung: Rung | undefined,
  ): Promise<ReadySession> {
    const key = await helper.selectKey(this.#options.key);
    this.#options.login.assertSameKey({ token, key });
    return { helper, token, key, rung };
  }
}
