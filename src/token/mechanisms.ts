// Runs in the token helper: chooses the mechanism that a key signs with, once for each key, among
// those its token offers. With it goes who makes the hash, this process or the token.

import pkcs11js from 'pkcs11js';
import { AppError } from '../lib/errors.js';
import type { Algorithm } from '../jose/algorithms.js';
import type { PublicJwk } from '../jose/public-jwk.js';
import { parseULong, readAttribute, type OpenToken } from './attributes.js';
import { callToken } from './pkcs11-failure.js';

/** PKCS#11 3.0 §2.3; pkcs11js has no names for them. */
export const CKK_EC_EDWARDS = 0x40;
export const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055;
const CKM_EDDSA = 0x1057;

const EDDSA_PARAMS_BYTES = 24;

export interface SigningMechanism {
  readonly mechanism: number;
  /** The data for C_Sign: a DigestInfo or a hash made here, or the whole input. */
  readonly takes: 'digest-info' | 'digest' | 'input';
}

interface Candidate extends SigningMechanism {
  readonly name: string;
}

function ecdsa(mechanism: number, name: string): readonly Candidate[] {
  return [
    { mechanism: pkcs11js.CKM_ECDSA, name: 'CKM_ECDSA', takes: 'digest' },
    { mechanism, name, takes: 'input' },
  ];
}

/**
 * In order of preference: nearly every module accepts a hash that was made here, and it is the
 * least data to send to a card.
 */
const CANDIDATES: Readonly<Record<Algorithm, readonly Candidate[]>> = {
  RS256: [
    { mechanism: pkcs11js.CKM_RSA_PKCS, name: 'CKM_RSA_PKCS', takes: 'digest-info' },
    { mechanism: pkcs11js.CKM_SHA256_RSA_PKCS, name: 'CKM_SHA256_RSA_PKCS', takes: 'input' },
  ],
  ES256: ecdsa(pkcs11js.CKM_ECDSA_SHA256, 'CKM_ECDSA_SHA256'),
  ES384: ecdsa(pkcs11js.CKM_ECDSA_SHA384, 'CKM_ECDSA_SHA384'),
  ES512: ecdsa(pkcs11js.CKM_ECDSA_SHA512, 'CKM_ECDSA_SHA512'),
  EdDSA: [{ mechanism: CKM_EDDSA, name: 'CKM_EDDSA', takes: 'input' }],
};

/**
 * The first mechanism for an algorithm that the token offers. Pure.
 * @throws AppError TOKEN_KEY_UNSUPPORTED, with the mechanisms that would do.
 */
export function decideMechanism(
  algorithm: Algorithm,
  isOffered: (mechanism: number) => boolean,
): SigningMechanism {
  const candidates = CANDIDATES[algorithm];
  const found = candidates.find(({ mechanism }) => isOffered(mechanism));
  if (found === undefined) {
    const names = candidates.map(({ name }) => name).join(' nor ');
    throw new AppError('TOKEN_KEY_UNSUPPORTED', `key: the token does not sign ${algorithm}`, {
      hint: `for this key it offers no ${names}`,
    });
  }
  return { mechanism: found.mechanism, takes: found.takes };
}

/**
 * CK_EDDSA_PARAMS, which Ed448 requires (PKCS#11 3.0 §2.3.14): phFlag, ulContextDataLen and
 * pContextData, all zero, on a 64-bit machine. Without them Ed25519 is pure Ed25519 (RFC 8032);
 * other keys have none.
 */
export function mechanismParameter(jwk: PublicJwk): Buffer | undefined {
  return jwk.kty === 'OKP' && jwk.crv === 'Ed448' ? Buffer.alloc(EDDSA_PARAMS_BYTES) : undefined;
}

/** The signing mechanisms of the token, without those the key forbids (CKA_ALLOWED_MECHANISMS). */
export function offeredForKey(
  token: OpenToken,
  key: pkcs11js.Handle,
): (mechanism: number) => boolean {
  const listed = listMechanisms(token);
  const allowed = allowedMechanisms(token, key);
  return (mechanism) =>
    listed.has(mechanism) &&
    (allowed === undefined || allowed.has(mechanism)) &&
    maySign(token, mechanism);
}

/** @throws AppError TOKEN_* */
export function listMechanisms({ lib, slot }: OpenToken): ReadonlySet<number> {
  return new Set(callToken('C_GetMechanismList', () => lib.C_GetMechanismList(slot)));
}

function maySign({ lib, slot }: OpenToken, mechanism: number): boolean {
  try {
    return (lib.C_GetMechanismInfo(slot, mechanism).flags & pkcs11js.CKF_SIGN) !== 0;
  } catch {
    // Some modules list a mechanism and fail to describe it; it is taken to work.
    return true;
  }
}

/**
 * Undefined where the key has no such list, or an empty one: then all are allowed (PKCS#11 2.40
 * §4.3).
 */
function allowedMechanisms(
  token: OpenToken,
  key: pkcs11js.Handle,
): ReadonlySet<number> | undefined {
  const bytes = readAttribute(token, key, pkcs11js.CKA_ALLOWED_MECHANISMS);
  // An array of CK_ULONG, in the size that this module uses for any CK_ULONG.
  const size = readAttribute(token, key, pkcs11js.CKA_KEY_TYPE)?.length ?? 0;
  if (bytes === undefined || bytes.length === 0 || size === 0 || bytes.length % size !== 0) {
    return undefined;
  }
  const each = Array.from({ length: bytes.length / size }, (_, at) =>
    parseULong(bytes.subarray(at * size, (at + 1) * size)),
  );
  return new Set(each.filter((mechanism) => mechanism !== undefined));
}
