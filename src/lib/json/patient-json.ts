// JSON bytes to a value that is merely read: what an authority answers, files of our own package.
// Pure. It repairs what does not matter to a reader (a BOM, bytes that are no UTF-8) and decides
// nothing: what is made of the value goes through a schema.

import { readJson, type JsonRules } from './json-reader.js';
import type { JsonValue } from './json-value.js';

/** Objects and arrays inside one another, at most. */
export const MAX_PATIENT_DEPTH = 64;

const PATIENT: JsonRules = { isPatient: true, maxDepth: MAX_PATIENT_DEPTH, numbers: 'all' };

/**
 * Parses JSON bytes: of two members with one name the last counts, numbers are the nearest doubles,
 * and what is no Unicode becomes U+FFFD.
 * @throws AppError LIB_JSON for what is no JSON, and for nesting deeper than MAX_PATIENT_DEPTH
 */
export function parsePatientJson(bytes: Uint8Array): JsonValue {
  return readJson(bytes, PATIENT);
}
