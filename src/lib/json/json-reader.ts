// Reads JSON (RFC 8259) from bytes to a value. Pure; every process. It does not use JSON.parse: in
// some versions of Node that reads a text differently after it has read certain other texts, and
// what is signed is decided on the value read here. Strict rules refuse whatever two readers may
// read differently; patient rules accept and repair what can be understood.

import { invalidJson } from './json-error.js';
import { readNumber, type NumberRule } from './json-number.js';
import { decodeString } from './json-string.js';
import type { JsonObject, JsonValue } from './json-value.js';

export interface JsonRules {
  /**
   * The last of several members with one name counts, a byte order mark is skipped, and bytes and
   * escapes that are not valid Unicode become U+FFFD. Where false, each of these is an error.
   */
  readonly isPatient: boolean;
  /** How deeply objects and arrays may be nested. */
  readonly maxDepth: number;
  readonly numbers: NumberRule;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf';

/**
 * Reads one value, with white space around it.
 * @throws AppError LIB_JSON for anything else, and for what the rules do not allow
 */
export function readJson(bytes: Uint8Array, rules: JsonRules): JsonValue {
  // One character per byte, so that positions in the text are positions in the bytes, and only
  // json-string.ts decides what bytes outside ASCII mean.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return new JsonReader(text, rules).read();
}

class JsonReader {
  readonly #text: string;
  readonly #rules: JsonRules;
  #at = 0;
  #depth = 0;

  constructor(text: string, rules: JsonRules) {
    this.#text = text;
    this.#rules = rules;
  }

  read(): JsonValue {
    if (this.#rules.isPatient && this.#text.startsWith(BYTE_ORDER_MARK)) {
      this.#at = BYTE_ORDER_MARK.length;
    }
    const value = this.#value();
    this.#skipWhiteSpace();
    if (this.#at !== this.#text.length) {
      throw invalidJson('something behind the value');
    }
    return value;
  }

  /** Moves past white space. @returns the byte there; NaN at the end */
  #skipWhiteSpace(): number {
    for (;;) {
      const byte = this.#text.charCodeAt(this.#at);
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        return byte;
      }
      this.#at += 1;
    }
  }

  #value(): JsonValue {
    switch (this.#skipWhiteSpace()) {
      case QUOTE:
        return this.#string();
      case OPEN_BRACE:
        return this.#object();
      case OPEN_BRACKET:
        return this.#array();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(): JsonObject {
    const object: Record<string, JsonValue> = {};
    this.#enter();
    if (this.#skipWhiteSpace() !== CLOSE_BRACE) {
      do {
        if (this.#skipWhiteSpace() !== QUOTE) {
          throw invalidJson('a member without a name');
        }
        const name = this.#string();
        if (!this.#rules.isPatient && Object.hasOwn(object, name)) {
          throw invalidJson('a member occurs twice');
        }
        if (this.#skipWhiteSpace() !== COLON) {
          throw invalidJson('a member without a value');
        }
        this.#at += 1;
        setMember(object, name, this.#value());
      } while (this.#takeComma());
    }
    this.#leave(CLOSE_BRACE);
    return object;
  }

  #array(): readonly JsonValue[] {
    const items: JsonValue[] = [];
    this.#enter();
    if (this.#skipWhiteSpace() !== CLOSE_BRACKET) {
      do {
        items.push(this.#value());
      } while (this.#takeComma());
    }
    this.#leave(CLOSE_BRACKET);
    return items;
  }

  /** Moves past the bracket or brace that opens an object or array. */
  #enter(): void {
    this.#depth += 1;
    if (this.#depth > this.#rules.maxDepth) {
      throw invalidJson('nested too deep');
    }
    this.#at += 1;
  }

  /** Moves past the one that closes it. */
  #leave(close: number): void {
    if (this.#skipWhiteSpace() !== close) {
      throw invalidJson('an object or array that does not end');
    }
    this.#depth -= 1;
    this.#at += 1;
  }

  /** Moves past a comma, if there is one. @returns whether there was */
  #takeComma(): boolean {
    if (this.#skipWhiteSpace() !== COMMA) {
      return false;
    }
    this.#at += 1;
    return true;
  }

  /** Reads a string; one of ASCII without escapes, as nearly all are, without copying its units. */
  #string(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let end = start;
    for (;;) {
      const byte = text.charCodeAt(end);
      if (byte === QUOTE) {
        this.#at = end + 1;
        return text.slice(start, end);
      }
      if (!(byte >= 0x20 && byte < 0x80 && byte !== BACKSLASH)) {
        break;
      }
      end += 1;
    }
    const decoded = decodeString(text, start, this.#rules.isPatient);
    this.#at = decoded.end + 1;
    return decoded.value;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) {
      throw invalidJson('no value');
    }
    this.#at += word.length;
    return value;
  }

  #number(): number {
    const { value, end } = readNumber(this.#text, this.#at, this.#rules.numbers);
    this.#at = end;
    return value;
  }
}

/** Adds an own member. Assigning to `__proto__` would change the object's prototype instead. */
function setMember(object: Record<string, JsonValue>, name: string, value: JsonValue): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else {
    object[name] = value;
  }
}
