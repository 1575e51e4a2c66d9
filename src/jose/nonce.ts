// Checks the form of ACME's anti-replay nonces, RFC 8555 §6.5.1. Pure; clavigerd and claviger. A
// nonce is opaque and never decoded. CAs make nonces of random letters, so it need not be the
// canonical base64url of some bytes; the alphabet of base64url has no character that two readers
// could take for different texts (escapes, padding, white space).

const ALPHABET = /^[A-Za-z0-9_-]+$/;
/** Far longer than nonces are; some CAs put encrypted state into them. */
export const MAX_NONCE_LENGTH = 1024;

/** True for a valid Replay-Nonce header field, and a valid `nonce` of a protected header. */
export function isNonce(text: string): boolean {
  return text.length <= MAX_NONCE_LENGTH && ALPHABET.test(text);
}
