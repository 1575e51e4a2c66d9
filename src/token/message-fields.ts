// Formats of single members of messages between clavigerd and its token helper, with their limits.
// Pure; both sides parse with them.

import * as v from 'valibot';

/** PKCS#11 has no limit for CKA_ID; tokens use at most this many bytes. */
const MAX_ID_BYTES = 256;

/** A PIN, a label or a signature in base64, in UTF-16 units. */
export const MAX_TEXT = 1024;
export const text = v.pipe(v.string(), v.maxLength(MAX_TEXT));
/** CKA_ID in lower-case hexadecimal; empty where there is none. */
export const hexId = v.pipe(
  v.string(),
  v.maxLength(MAX_ID_BYTES * 2),
  v.regex(/^(?:[0-9a-f]{2})*$/),
);
/** A CK_ULONG as far as a number can hold it. */
export const ulong = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
