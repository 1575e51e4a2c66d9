// Reads the PIN of a token from its source, and holds the one that a login has succeeded with. Runs
// in the daemon and in commands; used by the login guard alone, which decides whether a PIN is
// sent.

import { AppError } from '../../lib/errors.js';
import type { Secret } from '../../lib/secret.js';
import type { TokenInfo } from '../../token/messages.js';
import { GONE } from './pin-identity.js';
import { isUtf8 } from './pin-line.js';

/** Where the PIN of a token comes from. */
export interface TokenPinSource {
  /** For people: `file:/etc/claviger/pin`. */
  readonly name: string;
  /** Changes when the source does; see pin-identity.ts. */
  identify(): string;
  /** True when a person may be asked: nobody else is kept from the token for so long. */
  readonly mayAsk: boolean;
  read(token: TokenInfo): Promise<Secret>;
}

/** A PIN and what its source was when it was read. */
export interface KnownPin {
  readonly secret: Secret;
  readonly identity: string;
}

export class PinKeeper {
  readonly #source: TokenPinSource;
  #proven: KnownPin | undefined;

  constructor(source: TokenPinSource) {
    this.#source = source;
  }

  /** The PIN that a login has succeeded with. */
  get proven(): KnownPin | undefined {
    return this.#proven;
  }

  /**
   * The PIN that has worked, unless its source holds another one by now; else a fresh one.
   * @throws AppError KEY_PIN, or SYS_* for a file
   */
  async pinOf(token: TokenInfo): Promise<KnownPin> {
    const source = this.#source;
    const identity = source.identify();
    if (this.#proven !== undefined && [this.#proven.identity, GONE].includes(identity)) {
      return this.#proven;
    }
    const secret = await source.read(token);
    if (!secret.use(isUtf8)) {
      throw new AppError('KEY_PIN', `PIN: ${source.name} is not UTF-8, and no token takes that`);
    }
    if (source.identify() !== identity) {
      throw new AppError('KEY_PIN', `PIN: ${source.name} changed while it was read`);
    }
    this.forget();
    return { secret, identity };
  }

  /** A login has succeeded with it. */
  keep(pin: KnownPin): void {
    this.#proven = pin;
  }

  wipeUnlessProven(pin: KnownPin | undefined): void {
    if (pin !== this.#proven) {
      pin?.secret.wipe();
    }
  }

  /** Wipes the PIN that has worked. */
  forget(): void {
    this.#proven?.secret.wipe();
    this.#proven = undefined;
  }
}
