// JSON in the lines of a signer. Pure; claviger. As in lacme, JSON that cannot be parsed is treated
// as absent.

import { jsonMember, type JsonObject, type JsonValue } from '../lib/json/json-value.js';
import { parseStrictJson } from '../lib/json/strict-json.js';

/** The value of JSON text in UTF-8; undefined for anything else. */
export function tryParseJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    return parseStrictJson(bytes);
  } catch {
    return undefined;
  }
}

/** The member of that name, if it is a text and not empty. */
export function textMember(object: JsonObject | undefined, name: string): string | undefined {
  const value = object === undefined ? undefined : jsonMember(object, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
