// Verifies what the signer returns, before it is sent to the CA. Pure; runs in claviger. A signer
// in key-ID-only mode gives no public key: there the CA alone verifies.

import { publicKeyOfJwk } from '../../jose/public-jwk.js';
import { verifySignature } from '../../jose/signature.js';
import { decodeBase64Url } from '../../lib/base64url.js';
import type { SignerGreeting } from '../../protocol/signer-greeting.js';

/** @param signature base64url */
export type SignatureCheck = (input: string, signature: string) => boolean;

export function signatureCheckFor({ algorithm, jwk }: SignerGreeting): SignatureCheck {
  if (jwk === undefined) {
    return () => true;
  }
  const key = publicKeyOfJwk(jwk);
  return (input, signature) =>
    verifySignature(algorithm, key, Buffer.from(input), decodeBase64Url(signature));
}
