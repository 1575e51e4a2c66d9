// JSON from bytes to a value, RFC 8259. Pure; every process. Nothing of the platform reads for it:
// JSON.parse of some versions of Node reads a text otherwise after it has read another one, and
// what is signed is decided on this. Strict, it refuses whatever two readers may read differently;
// patient, it takes what can be understood.

import { AppError } from '../errors.js';
import { decodeString } from './json-text.js';
import type { JsonObject, JsonValue } from './json-value.js';

export interface JsonRules {
  /**
   * Of two members with one name the last counts; a BOM is skipped; what is no Unicode becomes
   * U+FFFD.
   */
  readonly isPatient: boolean;
  /** Objects and arrays inside one another, at most. */
  readonly maxDepth: number;
  /**
   * `integers`: exact ones in plain digits. `decimals`: those, and up to 15 digits with a point,
   * which a double tells apart. `all`: whatever RFC 8259 allows, as the nearest double.
   */
  readonly numbers: 'integers' | 'decimals' | 'all';
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf';
const MAX_DECIMAL_DIGITS = 15;
/** Exact in a double, so that one division of an exact number by them is rounded rightly. */
const POWERS_OF_TEN = Array.from({ length: MAX_DECIMAL_DIGITS + 1 }, (_, power) => 10 ** power);

/**
 * Reads one value, with white space around it.
 * @throws AppError LIB_JSON for anything else, and for what the rules do not allow
 */
export function readJson(bytes: Uint8Array, rules: JsonRules): JsonValue {
  // One character a byte: positions are those of the bytes, and no decoder has a say in what they
  // mean.
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
    this.#skipBlanks();
    if (this.#at !== this.#text.length) {
      throw invalid('something behind the value');
    }
    return value;
  }

  /** @returns the byte that comes then; NaN at the end */
  #skipBlanks(): number {
    for (;;) {
      const byte = this.#text.charCodeAt(this.#at);
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
        return byte;
      }
      this.#at += 1;
    }
  }

  #value(): JsonValue {
    switch (this.#skipBlanks()) {
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
    if (this.#skipBlanks() !== CLOSE_BRACE) {
      do {
        if (this.#skipBlanks() !== QUOTE) {
          throw invalid('a member without a name');
        }
        const name = this.#string();
        if (!this.#rules.isPatient && Object.hasOwn(object, name)) {
          throw invalid('a member occurs twice');
        }
        if (this.#skipBlanks() !== COLON) {
          throw invalid('a member without a value');
        }
        this.#at += 1;
        setMember(object, name, this.#value());
      } while (this.#goesOn());
    }
    this.#leave(CLOSE_BRACE);
    return object;
  }

  #array(): readonly JsonValue[] {
    const items: JsonValue[] = [];
    this.#enter();
    if (this.#skipBlanks() !== CLOSE_BRACKET) {
      do {
        items.push(this.#value());
      } while (this.#goesOn());
    }
    this.#leave(CLOSE_BRACKET);
    return items;
  }

  #enter(): void {
    this.#depth += 1;
    if (this.#depth > this.#rules.maxDepth) {
      throw invalid('nested too deep');
    }
    this.#at += 1;
  }

  #leave(close: number): void {
    if (this.#skipBlanks() !== close) {
      throw invalid('an object or array that does not end');
    }
    this.#depth -= 1;
    this.#at += 1;
  }

  #goesOn(): boolean {
    if (this.#skipBlanks() !== COMMA) {
      return false;
    }
    this.#at += 1;
    return true;
  }

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
      throw invalid('no value');
    }
    this.#at += word.length;
    return value;
  }

  #number(): number {
    const start = this.#at;
    const isNegative = this.#text.charCodeAt(start) === MINUS;
    this.#at += isNegative ? 1 : 0;
    const first = this.#at;
    let size = this.#digits(0);
    if (this.#at - first > 1 && this.#text.charCodeAt(first) === ZERO) {
      throw invalid('a number that begins with a zero');
    }
    const wholeDigits = this.#at - first;
    let decimals = 0;
    if (this.#text.charCodeAt(this.#at) === POINT) {
      this.#at += 1;
      const point = this.#at;
      size = this.#digits(size);
      decimals = this.#at - point;
    }
    const hasExponent = (this.#text.charCodeAt(this.#at) | 0x20) === 0x65;
    if (this.#rules.numbers === 'all') {
      this.#skipExponent();
      return Number(this.#text.slice(start, this.#at));
    }
    const isInteger = decimals === 0 && size <= Number.MAX_SAFE_INTEGER;
    const isDecimal =
      this.#rules.numbers === 'decimals' && wholeDigits + decimals <= MAX_DECIMAL_DIGITS;
    if (hasExponent || !(isInteger || isDecimal) || (isNegative && size === 0)) {
      throw invalid('a number that readers may hold for different ones');
    }
    const value = decimals === 0 ? size : size / (POWERS_OF_TEN[decimals] ?? NaN);
    return isNegative ? -value : value;
  }

  /** Reads one digit or more. @returns `size` with them behind it; it is exact up to 2^53 - 1 */
  #digits(size: number): number {
    const start = this.#at;
    let value = size;
    for (;;) {
      const digit = this.#text.charCodeAt(this.#at) - ZERO;
      if (!(digit >= 0 && digit <= 9)) {
        break;
      }
      value = value * 10 + digit;
      this.#at += 1;
    }
    if (this.#at === start) {
      throw invalid('no value');
    }
    return value;
  }

  #skipExponent(): void {
    if ((this.#text.charCodeAt(this.#at) | 0x20) === 0x65) {
      const sign = this.#text.charAt(this.#at + 1);
      this.#at += sign === '+' || sign === '-' ? 2 : 1;
      this.#digits(0);
    }
  }
}

/** An own member whatever its name: to assign to `__proto__` would do something else. */
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

function invalid(problem: string): AppError {
  return new AppError('LIB_JSON', `json: ${problem}`);
}
