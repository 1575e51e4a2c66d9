// JSON in lines of the other side: what cannot be decoded is as if it were not there, as lacme has
// it. Pure.

import { jsonMember, type JsonObject, type JsonValue } from '../lib/json/json-value.js';
import { parseStrictJson } from '../lib/json/strict-json.js';

/** The value of JSON text in UTF-8; undefined when it is none. */
export function tryParseJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    return parseStrictJson(bytes);
  } catch {
    return undefined;
  }
}

/** A member that is text, and not empty. */
export function textMember(object: JsonObject | undefined, name: string): string | undefined {
  const value = object === undefined ? undefined : jsonMember(object, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
