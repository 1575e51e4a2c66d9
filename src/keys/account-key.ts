// The one face every account key shows to the signing service, wherever the key lives.

import type { KeyObject } from 'node:crypto';
import type { Algorithm } from '../jose/algorithms.js';
import type { PublicJwk } from '../jose/public-jwk.js';
import { AppError } from '../lib/errors.js';

/**
 * Who waits for work: accounts take turns, within one its listeners, within one of those its
 * connections.
 */
export interface Client {
  readonly account: string;
  readonly listener: string;
  /** One in the whole daemon. */
  readonly connection: string;
}

/** Who asks for a signature, for keys that many wait for. */
export interface SignContext {
  readonly client: Client;
  /** Told once when the signature takes long: a person may have to touch the token. */
  readonly onNotice?: (() => void) | undefined;
  /**
   * Told when the key comes to the request, once an attempt; a key that nobody waits for may never
   * tell.
   */
  readonly onBegin?: (() => void) | undefined;
}

/** The key cannot be asked now, and has not seen the request: another key may be asked instead. */
export class UnsentError extends AppError {
  constructor(reason: AppError) {
    super(reason.code, reason.message, { hint: reason.hint, cause: reason });
  }
}

export interface AccountKey {
  /** The JWS algorithm this key signs with; there is exactly one. */
  readonly algorithm: Algorithm;
  readonly jwk: PublicJwk;
  readonly publicKey: KeyObject;
  /** For the log and `--check`: where the key is, without any secret. */
  readonly description: string;

  /**
   * Signs the bytes of a JWS signing input; gives the signature in JWS form (RSA: PKCS #1 v1.5,
   * ES*: r‖s). The caller verifies it before it goes anywhere.
   * @throws AppError KEY_* or TOKEN_*; UnsentError
   */
  sign(input: Buffer, signContext?: SignContext): Promise<Buffer>;

  /**
   * False while every request is answered with an error at once; absent for a key that is always
   * there.
   */
  readonly isAvailable?: boolean;

  /** Makes ready to sign, where that takes something. @throws AppError KEY_* or TOKEN_* */
  wake?(): Promise<void>;

  /** The client is gone: what it still waits for need not be signed. */
  forget?(client: Client): void;

  /**
   * Told that a signature of this key, as `sign` gave it, does not verify: what made it is
   * replaced.
   */
  distrust?(signature: Buffer): void;

  /** Lets go of the key: ends helper processes, drops sessions. Safe to call twice. */
  close(): Promise<void>;
}
