// Runs in the token helper. One signature: C_SignInit, a login where the key wants one, C_Sign.
// The hash is made by the daemon; the mechanisms are the two that every module has.

import pkcs11js from 'pkcs11js';
import { AppError } from '../lib/errors.js';
import type { Session } from './attributes.js';
import type { PrivateKey } from './keys.js';
import { callToken } from './pkcs11-failure.js';

/** DER of DigestInfo up to the hash, RFC 8017 §9.2 note 1, by hash length. */
const DIGEST_INFO: ReadonlyMap<number, Buffer> = new Map([
  [32, Buffer.from('3031300d060960864801650304020105000420', 'hex')],
  [48, Buffer.from('3041300d060960864801650304020205000430', 'hex')],
  [64, Buffer.from('3051300d060960864801650304020305000440', 'hex')],
]);

/** Never zero: pkcs11js takes an empty buffer for a question about the length. RSA-8192 fits. */
const MAX_SIGNATURE_BYTES = 1024;
const output = Buffer.alloc(MAX_SIGNATURE_BYTES);

/**
 * Signs a hash. RSA: PKCS #1 v1.5; EC: r‖s, each padded to the size of the field.
 * @param pin for keys with CKA_ALWAYS_AUTHENTICATE.
 * @throws AppError TOKEN_*
 */
export function signDigest(
  session: Session,
  key: PrivateKey,
  digest: Buffer,
  pin: string | undefined,
): Buffer {
  const { lib, handle } = session;
  const mechanism = key.kind === 'rsa' ? pkcs11js.CKM_RSA_PKCS : pkcs11js.CKM_ECDSA;
  const input = key.kind === 'rsa' ? withDigestInfo(digest) : digest;
  callToken('C_SignInit', () => {
    lib.C_SignInit(handle, { mechanism }, key.handle);
  });
  if (key.alwaysAuthenticate) {
    // Some modules end the user's login when a signature is tried without this one.
    callToken('C_Login', () => {
      lib.C_Login(handle, pkcs11js.CKU_CONTEXT_SPECIFIC, pin ?? '');
    });
  }
  const signature = callToken('C_Sign', () => lib.C_Sign(handle, input, output));
  if (signature.length === 0) {
    throw new AppError('TOKEN_FAILED', 'token: C_Sign: gave an empty signature');
  }
  return signature;
}

function withDigestInfo(digest: Buffer): Buffer {
  const prefix = DIGEST_INFO.get(digest.length);
  if (prefix === undefined) {
    throw new AppError('TOKEN_FAILED', `token: no DigestInfo for a hash of ${digest.length} bytes`);
  }
  return Buffer.concat([prefix, digest]);
}
