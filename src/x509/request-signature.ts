// Verifies the signature of a CSR, made with the key it asks a certificate for (RFC 2986 §4.2).
// Pure; clavigerd and `clavigerd policy`. It proves that whoever made the CSR has the key. Weak
// hash functions are refused, as CAs do.

import { verify, type KeyObject } from 'node:crypto';
import { TAG, parseDer, type DerElement } from './der.js';
import { Fields, parseOctetBits, parseOid, parsePositive, refused } from './der-values.js';
import type { SubjectKey } from './subject-key.js';

type Family = 'rsa' | 'ec' | 'ed25519' | 'ed448';

interface Scheme {
  readonly family: Family;
  /** Undefined where hashing is part of the algorithm. */
  readonly hash?: string;
}

/** RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3. */
const SCHEMES: Readonly<Record<string, Scheme>> = {
  '1.2.840.113549.1.1.11': { family: 'rsa', hash: 'sha256' },
  '1.2.840.113549.1.1.12': { family: 'rsa', hash: 'sha384' },
  '1.2.840.113549.1.1.13': { family: 'rsa', hash: 'sha512' },
  '1.2.840.10045.4.3.2': { family: 'ec', hash: 'sha256' },
  '1.2.840.10045.4.3.3': { family: 'ec', hash: 'sha384' },
  '1.2.840.10045.4.3.4': { family: 'ec', hash: 'sha512' },
  '1.3.101.112': { family: 'ed25519' },
  '1.3.101.113': { family: 'ed448' },
};

const WHAT = 'csr signature';

interface SignedRequest {
  /** CertificationRequestInfo: the bytes that are signed. */
  readonly info: DerElement;
  readonly algorithm: DerElement;
  readonly signature: DerElement;
}

/**
 * @throws AppError POLICY_CSR for algorithms that are weak or not the key's, and wrong signatures
 */
export function assertOwnSignature(
  { info, algorithm, signature }: SignedRequest,
  key: SubjectKey,
  publicKey: KeyObject,
): void {
  const fields = new Fields(algorithm, WHAT);
  const name = parseOid(fields.any(), WHAT);
  const scheme = SCHEMES[name];
  if (scheme === undefined) {
    throw refused(WHAT, `algorithm ${name} is weak or unknown`);
  }
  if (scheme.family === 'rsa') {
    fields.next(TAG.null);
  }
  fields.end();
  if (scheme.family !== familyOf(key)) {
    throw refused(WHAT, 'of another algorithm than the key');
  }
  const bits = parseOctetBits(signature, WHAT);
  if (scheme.family === 'ec') {
    assertEcSignature(bits);
  }
  if (!isValid(scheme, info.bytes, { publicKey, bits })) {
    throw refused(WHAT, 'wrong');
  }
}

function familyOf(key: SubjectKey): Family {
  switch (key.type) {
    case 'rsa':
    case 'ed25519':
    case 'ed448':
      return key.type;
    default:
      return 'ec';
  }
}

/** RFC 3279 §2.2.3. */
function assertEcSignature(bits: Uint8Array): void {
  const fields = new Fields(parseDer(bits, WHAT), WHAT);
  parsePositive(fields.any(), WHAT);
  parsePositive(fields.any(), WHAT);
  fields.end();
}

function isValid(
  { hash }: Scheme,
  input: Uint8Array,
  { publicKey, bits }: { readonly publicKey: KeyObject; readonly bits: Uint8Array },
): boolean {
  try {
    return verify(hash ?? null, input, publicKey, bits);
  } catch {
    return false;
  }
}
