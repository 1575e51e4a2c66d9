// What the ACME core needs of the program that holds the account key, never the key itself. Runs in
// claviger.

import type { PublicJwk } from '../jose/public-jwk.js';

export interface AccountSigner {
  /** JWS "alg" of the account key, as the signer announced it. */
  readonly algorithm: string;
  /** RFC 7638 thumbprint of the account key, for key authorizations (RFC 8555 §8.1). */
  readonly thumbprint: string;
  /** Undefined for a signer in key-ID-only mode. */
  readonly jwk: PublicJwk | undefined;
  /** The account URL, when the signer announced it. */
  readonly keyId: string | undefined;

  /**
   * Signs `protectedPart.payloadPart`, both base64url; the payload may be empty.
   * @returns the signature in base64url
   */
  sign(protectedPart: string, payloadPart: string): Promise<string>;
}
