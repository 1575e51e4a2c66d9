// Reads JSON where a decision depends on the value: requests to sign, the daemon's own files, its
// token helper's messages. Pure; clavigerd, its token helper and claviger. The daemon decides on
// this value while a CA reads the same bytes with another parser, so whatever two parsers may read
// differently (duplicate members, a byte order mark, invalid UTF-8, lone surrogates, inexact
// numbers) is an error.

import { readJson, type JsonRules } from './json-reader.js';
import type { JsonValue } from './json-value.js';

/** How deeply objects and arrays may be nested. ACME's deepest request has four levels. */
export const MAX_JSON_DEPTH = 16;

const INTEGERS: JsonRules = { isPatient: false, maxDepth: MAX_JSON_DEPTH, numbers: 'integers' };
const DECIMALS: JsonRules = { ...INTEGERS, numbers: 'decimals' };

/**
 * Parses JSON bytes.
 * @throws AppError LIB_JSON for invalid UTF-8 or JSON, a byte order mark, duplicate members, lone
 *   surrogates, nesting deeper than MAX_JSON_DEPTH, and numbers other than integers up to 2^53 - 1
 *   in plain digits
 */
export function parseStrictJson(bytes: Uint8Array): JsonValue {
  return readJson(bytes, INTEGERS);
}

/**
 * The same, with numbers of up to 15 digits that have a decimal point, such as durations.
 * @throws AppError LIB_JSON
 */
export function parseStrictJsonWithDecimals(bytes: Uint8Array): JsonValue {
  return readJson(bytes, DECIMALS);
}
