// Which public keys a policy allows in CSRs: by hash (pins), and by type with a minimum size. Pure;
// clavigerd and `clavigerd policy`. The rules are the administrator's, the keys the client's.

import { AppError } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import type { SubjectKey } from '../x509/subject-key.js';

/** A key type, for `rsa` with the minimum size of the modulus; 0 for the other types. */
export interface KeyTypeRule {
  readonly text: string;
  readonly type: SubjectKey['type'];
  readonly minBits: number;
}

/** Smaller RSA keys are refused by every named policy. */
export const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 8192;

const CURVES = ['p256', 'p384', 'p521', 'ed25519', 'ed448'] as const;

/**
 * Parses the SHA-256 of an SPKI, in hexadecimal or base64, `sha256:` before it or not.
 * @returns 64 lower-case hexadecimal digits
 * @throws AppError POLICY_INVALID
 */
export function parseKeyPin(text: string): string {
  const digest = text.replace(/^sha256:/, '');
  if (/^[0-9a-fA-F]{64}$/.test(digest)) {
    return digest.toLowerCase();
  }
  const bytes = Buffer.from(digest, 'base64');
  if (bytes.length === 32 && bytes.toString('base64') === digest) {
    return bytes.toString('hex');
  }
  throw invalid('key', text, 'is not a SHA-256 in hexadecimal or base64');
}

/**
 * Parses `rsa`, `rsa>=3072`, `p256`, `p384`, `p521`, `ed25519`, `ed448`.
 * @throws AppError POLICY_INVALID
 */
export function parseKeyType(text: string): KeyTypeRule {
  const curve = CURVES.find((name) => name === text);
  if (curve !== undefined) {
    return { text, type: curve, minBits: 0 };
  }
  const [rsa, digits] = /^rsa(?:>=([0-9]{4}))?$/.exec(text) ?? [];
  if (rsa === undefined) {
    throw invalid('key type', text, `is none of rsa, rsa>=BITS, ${CURVES.join(', ')}`);
  }
  const minBits = digits === undefined ? MIN_RSA_BITS : Number(digits);
  if (minBits < MIN_RSA_BITS || minBits > MAX_RSA_BITS) {
    throw invalid('key type', text, `is not between ${MIN_RSA_BITS} and ${MAX_RSA_BITS} bits`);
  }
  return { text, type: 'rsa', minBits };
}

export function allowsKey(rule: KeyTypeRule, key: SubjectKey): boolean {
  return rule.type === key.type && (key.type !== 'rsa' || key.bits >= rule.minBits);
}

/** `rsa-3072`, `p256` */
export function formatKey(key: SubjectKey): string {
  return key.type === 'rsa' ? `rsa-${key.bits}` : key.type;
}

function invalid(subject: string, text: string, problem: string): AppError {
  return new AppError('POLICY_INVALID', `${subject}: "${printable(text, 100)}" ${problem}`);
}
