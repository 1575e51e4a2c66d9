// Remembers in the state directory what was revoked from here, and which keys are compromised, by
// their hashes. Runs in claviger. A key that was revoked as compromised at one authority could be
// certified again by another one; this memory prevents it.

import { createHash, type KeyObject, type X509Certificate } from 'node:crypto';
import * as v from 'valibot';
import { formatDateTime, parseDateTime } from '../../lib/date-time.js';
import type { ClientState, StateKind } from './client-state.js';

/** RFC 5280 §5.3.1. */
const KEY_COMPROMISE = 1;

interface Revocation {
  /** ISO 8601, UTC. */
  readonly revokedAt: string;
}

const schema = v.object({
  revokedAt: v.pipe(
    v.string(),
    v.check((text) => parseDateTime(text) !== undefined),
  ),
});
const CERTIFICATE: StateKind<Revocation> = { name: 'revoked', schema };
const KEY: StateKind<Revocation> = { name: 'compromised-key', schema };

/**
 * Remembers a certificate as revoked, and its key as compromised where that was the reason.
 * @param reason a CRLReason code
 * @param now milliseconds since 1970
 * @returns false where it could not be
 */
export async function rememberRevocation(
  state: ClientState,
  leaf: X509Certificate,
  reason: number | undefined,
  now: number,
): Promise<boolean> {
  const revocation = { revokedAt: formatDateTime(now) };
  const isKeyKnown =
    reason !== KEY_COMPROMISE || (await state.write(KEY, [hashOfKey(leaf.publicKey)], revocation));
  return (await state.write(CERTIFICATE, [hashOf(leaf.raw)], revocation)) && isKeyKnown;
}

/** When the certificate was revoked from here, ISO 8601; undefined when it was not. */
export async function revocationOf(
  state: ClientState,
  leaf: X509Certificate,
): Promise<string | undefined> {
  return (await state.read(CERTIFICATE, [hashOf(leaf.raw)]))?.revokedAt;
}

/**
 * True for a key that was revoked as compromised from here, whatever its file. @param key the
 * public key
 */
export async function isCompromised(state: ClientState, key: KeyObject): Promise<boolean> {
  return (await state.read(KEY, [hashOfKey(key)])) !== undefined;
}

function hashOfKey(key: KeyObject): string {
  return hashOf(key.export({ type: 'spki', format: 'der' }));
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
