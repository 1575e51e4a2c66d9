// The public half of an account key as a JWK (RFC 7517), and its thumbprint (RFC 7638). Pure;
// clavigerd, its token helper and claviger. A JWK has the required public members and no others:
// one with private or unknown members is refused, and nothing is removed from it.

import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { isBase64Url } from '../lib/base64url.js';
import { AppError, messageOf } from '../lib/errors.js';
import type { Algorithm } from './algorithms.js';

interface RsaPublicJwk {
  readonly e: string;
  readonly kty: 'RSA';
  readonly n: string;
}

export interface EcPublicJwk {
  readonly crv: 'P-256' | 'P-384' | 'P-521';
  readonly kty: 'EC';
  readonly x: string;
  readonly y: string;
}

/** RFC 8037 §2 */
export interface OkpPublicJwk {
  readonly crv: 'Ed25519' | 'Ed448';
  readonly kty: 'OKP';
  readonly x: string;
}

export type PublicJwk = RsaPublicJwk | EcPublicJwk | OkpPublicJwk;

const ALGORITHM_OF_CURVE = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
  Ed448: 'EdDSA',
} as const;
const RSA_MEMBERS = ['e', 'kty', 'n'] as const;
const EC_MEMBERS = ['crv', 'kty', 'x', 'y'] as const;
const OKP_MEMBERS = ['crv', 'kty', 'x'] as const;

/**
 * Parses a public JWK of a supported type.
 * @throws AppError JOSE_JWK for another shape, any other member, or values that are no key
 */
export function parsePublicJwk(value: unknown): PublicJwk {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badJwk('not an object');
  }
  const members = new Map<string, unknown>(Object.entries(value));
  const jwk = parseByType(members);
  publicKeyOfJwk(jwk);
  return jwk;
}

function parseByType(members: ReadonlyMap<string, unknown>): PublicJwk {
  switch (members.get('kty')) {
    case 'RSA':
      return parseRsa(members);
    case 'EC':
      return parseEc(members);
    case 'OKP':
      return parseOkp(members);
    default:
      throw badJwk('kty is none of RSA, EC and OKP');
  }
}

function parseRsa(members: ReadonlyMap<string, unknown>): RsaPublicJwk {
  requireExactly(members, RSA_MEMBERS);
  return { e: base64UrlMember(members, 'e'), kty: 'RSA', n: base64UrlMember(members, 'n') };
}

function parseEc(members: ReadonlyMap<string, unknown>): EcPublicJwk {
  requireExactly(members, EC_MEMBERS);
  const crv = members.get('crv');
  if (crv !== 'P-256' && crv !== 'P-384' && crv !== 'P-521') {
    throw badJwk('crv is not P-256, P-384 or P-521');
  }
  return { crv, kty: 'EC', x: base64UrlMember(members, 'x'), y: base64UrlMember(members, 'y') };
}

function parseOkp(members: ReadonlyMap<string, unknown>): OkpPublicJwk {
  requireExactly(members, OKP_MEMBERS);
  const crv = members.get('crv');
  if (crv !== 'Ed25519' && crv !== 'Ed448') {
    throw badJwk('crv is not Ed25519 or Ed448');
  }
  return { crv, kty: 'OKP', x: base64UrlMember(members, 'x') };
}

function requireExactly(members: ReadonlyMap<string, unknown>, names: readonly string[]): void {
  const foreign = [...members.keys()].find((name) => !names.includes(name));
  if (foreign !== undefined) {
    throw badJwk(`unexpected member ${JSON.stringify(foreign)}`);
  }
}

function base64UrlMember(members: ReadonlyMap<string, unknown>, name: string): string {
  const value = members.get(name);
  if (typeof value !== 'string' || value === '' || !isBase64Url(value)) {
    throw badJwk(`${name} is not base64url`);
  }
  return value;
}

function badJwk(problem: string): AppError {
  return new AppError('JOSE_JWK', `jwk: ${problem}`);
}

/**
 * The JSON text RFC 7638 §3 hashes: required members only, sorted, no white space. It is also the
 * second line of the daemon's greeting.
 */
export function formatPublicJwk(jwk: PublicJwk): string {
  switch (jwk.kty) {
    case 'RSA':
      return JSON.stringify({ e: jwk.e, kty: jwk.kty, n: jwk.n });
    case 'EC':
      return JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y });
    case 'OKP':
      return JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x });
  }
}

/** The algorithm that the key of a JWK signs with. */
export function algorithmOfJwk(jwk: PublicJwk): Algorithm {
  return jwk.kty === 'RSA' ? 'RS256' : ALGORITHM_OF_CURVE[jwk.crv];
}

/** RFC 7638 thumbprint: base64url of the SHA-256 of the canonical JWK, 43 characters. */
export function jwkThumbprint(jwk: PublicJwk): string {
  return createHash('sha256').update(formatPublicJwk(jwk)).digest('base64url');
}

/**
 * The node:crypto public key of a JWK.
 * @throws AppError JOSE_JWK when the numbers are no key (a point off the curve, for instance).
 */
export function publicKeyOfJwk(jwk: PublicJwk): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' });
  } catch (error) {
    throw new AppError('JOSE_JWK', `jwk: not a valid key: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * The public JWK of a public or private key.
 * @throws AppError JOSE_JWK for an unsupported type of key
 */
export function jwkOfKey(key: KeyObject): PublicJwk {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return parsePublicJwk(publicKey.export({ format: 'jwk' }));
}
