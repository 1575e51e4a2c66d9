// Reads JSON on which no signature depends: answers of the CA, files of our own package. Pure;
// clavigerd and claviger. It repairs what a reader can do without (a byte order mark, bytes that
// are not UTF-8). The value is not checked here: callers pass it through a schema.

import { readJson, type JsonRules } from './json-reader.js';
import type { JsonValue } from './json-value.js';

/** How deeply objects and arrays may be nested. */
export const MAX_PATIENT_DEPTH = 64;

const PATIENT: JsonRules = { isPatient: true, maxDepth: MAX_PATIENT_DEPTH, numbers: 'all' };

/**
 * Parses JSON bytes: the last of several members with one name counts, numbers are the nearest
 * doubles, and what is not valid Unicode becomes U+FFFD.
 * @throws AppError LIB_JSON for anything but JSON, and for nesting deeper than MAX_PATIENT_DEPTH
 */
export function parsePatientJson(bytes: Uint8Array): JsonValue {
  return readJson(bytes, PATIENT);
}
