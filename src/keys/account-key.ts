// The one face every account key shows to the signing service, wherever the key lives.

import type { KeyObject } from 'node:crypto';
import type { Algorithm } from '../jose/algorithms.js';
import type { PublicJwk } from '../jose/public-jwk.js';

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
   * @throws AppError KEY_* or TOKEN_*
   */
  sign(input: Buffer): Promise<Buffer>;

  /** Lets go of the key: ends helper processes, drops sessions. Safe to call twice. */
  close(): Promise<void>;
}
