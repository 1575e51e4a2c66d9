// What every account key offers to the signing service, wherever the key is kept, and what a key in
// a token offers beyond that. Runs in clavigerd; `clavigerd key` uses it too. Pure.

import type { KeyObject } from 'node:crypto';
import type { Algorithm } from '../jose/algorithms.js';
import type { PublicJwk } from '../jose/public-jwk.js';
import { AppError } from '../lib/errors.js';

/**
 * Who waits for a signature. Accounts take turns; within one account its listeners do, and within
 * one listener its connections.
 */
export interface Client {
  readonly account: string;
  readonly listener: string;
  /** Unique in the whole daemon. */
  readonly connection: string;
}

/** Who asks for a signature. */
export interface SignContext {
  readonly client: Client;
  /** Called once when the signature takes long: a person may have to touch the token. */
  readonly onNotice?: (() => void) | undefined;
}

/** A signature, not yet verified. */
export interface KeySignature {
  /** In JWS form: RSA PKCS #1 v1.5, ES* the concatenation of r and s (RFC 7518 §3.4). */
  readonly bytes: Buffer;
  /** When the key began with the attempt that succeeded, by `performance.now()`, milliseconds. */
  readonly beganAt: number;
  /** Reports that it does not verify: a token helper that made it is replaced. */
  reject(): void;
}

/** The key cannot be used now and has not seen the request: another key may be tried instead. */
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
  /** Where the key is, for the log and `--check`; holds no secret. */
  readonly description: string;

  /**
   * Signs the bytes of a JWS signing input. The caller verifies the signature before anybody else
   * gets it.
   * @throws AppError KEY_* or TOKEN_*; UnsentError
   */
  sign(input: Buffer, signContext?: SignContext): Promise<KeySignature>;

  /** Drops the requests of a client that has disconnected, as far as they have not been signed. */
  cancel(client: Client): void;

  /** Ends helper processes and wipes the PIN, where the key has any. Safe to call twice. */
  close(): Promise<void>;
}

/** A key in a token, which may be absent, locked or out of order while the daemon runs. */
export interface TokenAccountKey extends AccountKey {
  /** False while every request is answered with an error at once. */
  readonly isAvailable: boolean;

  /** Starts a helper and logs in, unless that is done. @throws AppError KEY_* or TOKEN_* */
  wake(): Promise<void>;
}

export function isTokenKey(key: AccountKey): key is TokenAccountKey {
  return 'wake' in key;
}
