// Signature requests as an ACME client makes them, and the check of what comes back. Used by test
// processes only. It shares no code with the programs under test: an error there must not cancel
// out here.

import { type JsonWebKey, createPublicKey, verify } from 'node:crypto';

const HASHES: Readonly<Record<string, string>> = {
  RS256: 'sha256',
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
};

export interface SigningRequest {
  readonly alg: string;
  readonly kid?: string;
  readonly jwk?: JsonWebKey;
  readonly nonce?: string;
  readonly url: string;
  /** Undefined for a POST-as-GET, whose payload is empty. */
  readonly payload?: Readonly<Record<string, unknown>>;
}

/** BASE64URL(protected) "." BASE64URL(payload). */
export function formatSigningInput(request: SigningRequest): string {
  const { payload, ...header } = { nonce: 'bm9uY2U', ...request };
  return `${encode(header)}.${payload === undefined ? '' : encode(payload)}`;
}

/**
 * True when `signature` (base64url, r||s for ES*, RFC 7518 §3.4) is the key's over the signing
 * input.
 */
export function isSignatureOf(
  alg: string,
  jwk: JsonWebKey,
  input: string,
  signature: string,
): boolean {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  return verify(
    HASHES[alg] ?? 'unknown',
    Buffer.from(input, 'latin1'),
    { key, dsaEncoding: 'ieee-p1363' },
    Buffer.from(signature, 'base64url'),
  );
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url');
}
