// Runs in the token helper: one signature. Makes the hash where the mechanism takes one, and logs
// in between C_SignInit and C_Sign where the key requires that.

import { createHash } from 'node:crypto';
import pkcs11js from 'pkcs11js';
import { algorithmFacts, type Algorithm } from '../jose/algorithms.js';
import { AppError } from '../lib/errors.js';
import type { Session } from './attributes.js';
import type { PrivateKey } from './keys.js';
import { mechanismParameter } from './mechanisms.js';
import { callToken } from './pkcs11-failure.js';
import { beginSignature, finishSignature } from './signing-call.js';

/** DER of DigestInfo for SHA-256 up to the hash, RFC 8017 §9.2 note 1. */
const SHA256_DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/**
 * Signs in JWS form. RSA: PKCS #1 v1.5; EC: r‖s, each padded to the size of the field; EdDSA: RFC
 * 8032.
 * @param pin for keys with CKA_ALWAYS_AUTHENTICATE.
 * @throws AppError TOKEN_*
 */
export function signInput(
  session: Session,
  key: PrivateKey,
  input: Buffer,
  pin: string | undefined,
): Buffer {
  const { lib, handle } = session;
  const { mechanism } = key.signing;
  const data = dataToSign(key, input);
  const parameter = mechanismParameter(key.jwk);
  if (key.alwaysAuthenticate && pin === undefined) {
    throw new AppError(
      'TOKEN_FAILED',
      'token: the key wants a PIN for each signature; none is here',
      {
        hint: 'the token says that it wants no login, and the key says that it does',
      },
    );
  }
  beginSignature(session, { mechanism, ...(parameter && { parameter }) }, key.handle);
  if (key.alwaysAuthenticate && pin !== undefined) {
    // Some modules log the user out when C_Sign is called without this login.
    callToken('C_Login', () => {
      lib.C_Login(handle, pkcs11js.CKU_CONTEXT_SPECIFIC, pin);
    });
  }
  return finishSignature(session, data);
}

function dataToSign({ signing, algorithm }: PrivateKey, input: Buffer): Buffer {
  switch (signing.takes) {
    case 'input':
      return input;
    case 'digest':
      return digestOf(algorithm, input);
    case 'digest-info':
      return Buffer.concat([SHA256_DIGEST_INFO, digestOf(algorithm, input)]);
  }
}

function digestOf(algorithm: Algorithm, input: Buffer): Buffer {
  return createHash(algorithmFacts(algorithm).hash ?? 'sha256')
    .update(input)
    .digest();
}
