// Reads the PIN of a token from its source, and keeps in memory the one with which a login has
// succeeded. Runs in clavigerd and its commands. For the login guard alone, which decides whether a
// PIN is sent.

import { AppError } from '../../lib/errors.js';
import type { Secret } from '../../lib/secret.js';
import type { TokenInfo } from '../../token/messages.js';
import { GONE } from './pin-identity.js';
import { isUtf8 } from './pin-line.js';

/** Where the PIN of a token comes from. */
export interface TokenPinSource {
  /** For messages: `file:/etc/claviger/pin`. */
  readonly name: string;
  /** A text that changes with the content of the source; see pin-identity.ts. */
  identify(): string;
  /** True when reading may wait for a person: it is read without the lock of the token then. */
  readonly mayAsk: boolean;
  read(token: TokenInfo): Promise<Secret>;
}

/** A PIN and the identity of its source when it was read. */
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

  /** The PIN with which a login has succeeded. */
  get proven(): KnownPin | undefined {
    return this.#proven;
  }

  /**
   * The proven PIN, unless its source may hold another one by now; else a PIN that is read anew.
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

  /** Keeps a PIN with which a login has succeeded. */
  keep(pin: KnownPin): void {
    this.#proven = pin;
  }

  wipeUnlessProven(pin: KnownPin | undefined): void {
    if (pin !== this.#proven) {
      pin?.secret.wipe();
    }
  }

  /** Wipes the proven PIN. */
  forget(): void {
    this.#proven?.secret.wipe();
    this.#proven = undefined;
  }
}
