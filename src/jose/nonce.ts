// The anti-replay nonce of ACME as a text, RFC 8555 §6.5.1. Pure; used by the daemon and by the
// client. It is opaque: base64url characters in any order and number, and nobody decodes it.
// Authorities make nonces of random letters, so the canonical spelling of some bytes must not be
// asked for. What two readers could take for two different texts (escapes, padding, blanks) is not
// in the alphabet.

const ALPHABET = /^[A-Za-z0-9_-]+$/;
/** Far above any in use; some authorities put an encrypted state into it. */
export const MAX_NONCE_LENGTH = 1024;

/** True for what may stand in a Replay-Nonce header and in the `nonce` of a protected header. */
export function isNonce(text: string): boolean {
  return text.length <= MAX_NONCE_LENGTH && ALPHABET.test(text);
}
