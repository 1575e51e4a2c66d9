// A JSON number (RFC 8259 §6) from its digits to a value. Pure; every process. Where the value
// decides, a number is refused whose value two readers may hold for different ones (RFC 8259 §6,
// last paragraph): digits that a double does not keep, and spellings that are rarely needed.

import { invalidJson } from './json-error.js';

/**
 * Which numbers are read. `integers`: exact ones in plain digits. `decimals`: those, and up to 15
 * digits with a decimal point, which a double keeps apart. `all`: whatever RFC 8259 allows, as the
 * nearest double.
 */
export type NumberRule = 'integers' | 'decimals' | 'all';

interface ReadNumber {
  readonly value: number;
  /** The position after the number. */
  readonly end: number;
}

const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const LOWER_E = 0x65;
/** Set in a lower-case ASCII letter, clear in the upper-case one. */
const LOWER_CASE = 0x20;

const MAX_DECIMAL_DIGITS = 15;

/**
 * Reads the number that begins at `start`.
 * @throws AppError LIB_JSON when there is none, or one that the rule does not allow
 */
export function readNumber(text: string, start: number, rule: NumberRule): ReadNumber {
  const isNegative = text.charCodeAt(start) === MINUS;
  const first = isNegative ? start + 1 : start;
  const point = endOfDigits(text, first);
  if (text.charCodeAt(first) === ZERO && point > first + 1) {
    throw invalidJson('a number that begins with a zero');
  }
  const hasPoint = text.charCodeAt(point) === POINT;
  const end = hasPoint ? endOfDigits(text, point + 1) : point;
  if (rule === 'all') {
    const exponentEnd = endOfExponent(text, end);
    return { value: Number(text.slice(start, exponentEnd)), end: exponentEnd };
  }
  const value = Number(text.slice(start, end));
  const digits = end - first - (hasPoint ? 1 : 0);
  const isExact =
    (!hasPoint && Number.isSafeInteger(value)) ||
    (rule === 'decimals' && digits <= MAX_DECIMAL_DIGITS);
  // A zero with a sign is another value to some readers only.
  if (!isExact || hasExponentAt(text, end) || (isNegative && value === 0)) {
    throw invalidJson('a number that readers may hold for different ones');
  }
  return { value, end };
}

/** The position after one digit or more. @throws AppError LIB_JSON where there is none */
function endOfDigits(text: string, start: number): number {
  let at = start;
  for (;;) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) {
      break;
    }
    at += 1;
  }
  if (at === start) {
    throw invalidJson('no value');
  }
  return at;
}

/** The position after the exponent that begins at `at`; `at` itself where none begins there. */
function endOfExponent(text: string, at: number): number {
  if (!hasExponentAt(text, at)) {
    return at;
  }
  const sign = text.charCodeAt(at + 1);
  return endOfDigits(text, sign === PLUS || sign === MINUS ? at + 2 : at + 1);
}

function hasExponentAt(text: string, at: number): boolean {
  return (text.charCodeAt(at) | LOWER_CASE) === LOWER_E;
}
