// JSON bytes to a value where the value decides: what is signed, and what the signer's own files
// and helpers say. Pure. The daemon decides on this value while a CA reads the same bytes with
// another parser: whatever two parsers may read differently (duplicate members, a BOM, invalid
// UTF-8, lone surrogates, numbers) is an error.

import { readJson, type JsonRules } from './json-reader.js';
import type { JsonValue } from './json-value.js';

/** Objects and arrays inside one another, at most. ACME's deepest request has four. */
export const MAX_JSON_DEPTH = 16;

const INTEGERS: JsonRules = { isPatient: false, maxDepth: MAX_JSON_DEPTH, numbers: 'integers' };
const DECIMALS: JsonRules = { ...INTEGERS, numbers: 'decimals' };

/**
 * Parses JSON bytes.
 * @throws AppError LIB_JSON for invalid UTF-8 or JSON, a BOM, duplicate members, lone surrogates,
 *   nesting deeper than MAX_JSON_DEPTH, and numbers other than integers up to 2^53 - 1 in plain
 *   digits
 */
export function parseStrictJson(bytes: Uint8Array): JsonValue {
  return readJson(bytes, INTEGERS);
}

/**
 * The same with numbers of up to 15 digits that have a decimal point, such as durations. @throws
 * AppError LIB_JSON
 */
export function parseStrictJsonWithDecimals(bytes: Uint8Array): JsonValue {
  return readJson(bytes, DECIMALS);
}
