// Makes and verifies JWS signatures with node:crypto, RFC 7518 §3.3 and §3.4, RFC 8037 §3.1. Pure.
// clavigerd signs with software keys here, and verifies every signature before it is sent, those of
// tokens as well; claviger checks what its signer answers.

import { sign, verify, type KeyObject } from 'node:crypto';
import { algorithmFacts, type Algorithm } from './algorithms.js';

/**
 * ES*: r and s in fixed width, as JWS requires, instead of DER. It does not matter to RSA and
 * EdDSA.
 */
const DSA_ENCODING = 'ieee-p1363';

/** Signs with a key in this process, on a thread of libuv's pool. */
export function signWithKey(
  algorithm: Algorithm,
  privateKey: KeyObject,
  input: Uint8Array,
): Promise<Buffer> {
  const { hash } = algorithmFacts(algorithm);
  return new Promise((resolve, reject) => {
    sign(
      hash ?? null,
      input,
      { key: privateKey, dsaEncoding: DSA_ENCODING },
      (error, signature) => {
        if (error) {
          reject(error);
        } else {
          resolve(signature);
        }
      },
    );
  });
}

/**
 * The same, on this thread: handing over to another one takes a tenth of the time of an RSA
 * signature.
 */
export function signWithKeySync(
  algorithm: Algorithm,
  privateKey: KeyObject,
  input: Uint8Array,
): Buffer {
  const { hash } = algorithmFacts(algorithm);
  return sign(hash ?? null, input, { key: privateKey, dsaEncoding: DSA_ENCODING });
}

/** True when `signature`, in the form of JWS, is the key's signature of `input`. */
export function verifySignature(
  algorithm: Algorithm,
  publicKey: KeyObject,
  input: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { hash, signatureBytes } = algorithmFacts(algorithm);
  if (signatureBytes !== undefined && signature.length !== signatureBytes) {
    return false;
  }
  return verify(hash ?? null, input, { key: publicKey, dsaEncoding: DSA_ENCODING }, signature);
}
