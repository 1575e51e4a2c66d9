// JSON bytes to a value, RFC 8259, with what JSON.parse lets through refused. Pure.
// The daemon decides on this value while a CA parses the same bytes with another parser: whatever two
// parsers may read differently (duplicate members, a BOM, invalid UTF-8, lone surrogates) is an error.

import { AppError } from './errors.js';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** Objects and arrays inside one another, at most. ACME's deepest request has four. */
export const MAX_JSON_DEPTH = 16;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses JSON bytes.
 * @throws AppError LIB_JSON for invalid UTF-8 or JSON, a BOM, duplicate members, lone surrogates,
 *   numbers beyond a double, or nesting deeper than MAX_JSON_DEPTH.
 */
export function parseStrictJson(bytes: Uint8Array): JsonValue {
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('LIB_JSON', 'json: not valid', { cause: error });
  }
  refuseAmbiguity(text);
  if (!isJsonValue(value)) {
    throw new AppError('LIB_JSON', 'json: a number is out of range');
  }
  return value;
}

/** True for an object, false for arrays and null. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own member of an object; names like `constructor` find nothing inherited. */
export function jsonMember(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Walks text that JSON.parse took, so its grammar is known to be right. */
function refuseAmbiguity(text: string): void {
  // A frame an open object or array: the member names seen, or undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  let nameExpected = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '{':
      case '[':
        open.push(text[at] === '{' ? new Set() : undefined);
        nameExpected = text[at] === '{';
        if (open.length > MAX_JSON_DEPTH) {
          throw new AppError('LIB_JSON', 'json: nested too deep');
        }
        break;
      case '}':
      case ']':
        open.pop();
        nameExpected = false;
        break;
      case ',':
        nameExpected = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        const names = nameExpected ? open.at(-1) : undefined;
        checkString(text.slice(at, end + 1), names);
        nameExpected = false;
        at = end;
        break;
      }
      default:
        break;
    }
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') {
    at += text[at] === '\\' ? 2 : 1;
  }
  return at;
}

function checkString(literal: string, names: Set<string> | undefined): void {
  const decoded = String(JSON.parse(literal));
  if (/\p{Surrogate}/u.test(decoded)) {
    throw new AppError('LIB_JSON', 'json: a string has a lone surrogate');
  }
  if (names?.has(decoded) === true) {
    throw new AppError('LIB_JSON', 'json: a member occurs twice');
  }
  names?.add(decoded);
}

function isJsonValue(value: unknown): value is JsonValue {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value);
    case 'object':
      return value === null || Object.values(value).every(isJsonValue);
    case 'string':
    case 'boolean':
      return true;
    default:
      return false;
  }
}
