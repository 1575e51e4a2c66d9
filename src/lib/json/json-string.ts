// The content of a JSON string: escapes (RFC 8259 §7) and UTF-8 (RFC 3629) to UTF-16. Pure; every
// process. Texts here have one character per byte (the bytes read as Latin-1). Nothing is trusted:
// each sequence of bytes that is not the shortest UTF-8 of a code point is refused or replaced.

import { invalidJson } from './json-error.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const REPLACEMENT = 0xfffd;

/** UTF-16 units that `String.fromCharCode` takes at once. */
const MAX_UNITS = 4096;

/** What `\b` and the like stand for, by the byte after the backslash; `\u` is not among them. */
const SHORT_ESCAPES: ReadonlyMap<number, number> = new Map(
  ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) => [
    pair.charCodeAt(0),
    pair.charCodeAt(1),
  ]),
);

interface DecodedString {
  readonly value: string;
  /** The position of the closing quotation mark. */
  readonly end: number;
}

/**
 * Reads a string that may contain escapes and bytes outside ASCII.
 * @param start the position after the opening quotation mark
 * @param isPatient lone surrogates and bytes that are not UTF-8 become U+FFFD instead of an error
 * @throws AppError LIB_JSON
 */
export function decodeString(text: string, start: number, isPatient: boolean): DecodedString {
  const units: number[] = [];
  let at = start;
  for (;;) {
    const byte = text.charCodeAt(at);
    if (byte === QUOTE) {
      return { value: textOf(units), end: at };
    }
    if (byte === BACKSLASH) {
      at += pushEscape(units, text, { at, isPatient });
    } else if (byte >= 0x80) {
      at += pushCharacter(units, text, { at, isPatient });
    } else if (byte >= 0x20) {
      units.push(byte);
      at += 1;
    } else {
      throw invalidJson('a string that does not end, or with a control character');
    }
  }
}

interface Place {
  readonly at: number;
  readonly isPatient: boolean;
}

/**
 * Appends what an escape stands for.
 * @returns the length of the escape, or of the two escapes that are one surrogate pair
 */
function pushEscape(units: number[], text: string, { at, isPatient }: Place): number {
  const short = SHORT_ESCAPES.get(text.charCodeAt(at + 1));
  if (short !== undefined) {
    units.push(short);
    return 2;
  }
  const unit = escapedUnit(text, at);
  if (unit < 0) {
    throw invalidJson('an escape that is none');
  }
  if (unit < 0xd800 || unit > 0xdfff) {
    units.push(unit);
    return 6;
  }
  const next = unit < 0xdc00 ? escapedUnit(text, at + 6) : -1;
  if (next >= 0xdc00 && next <= 0xdfff) {
    units.push(unit, next);
    return 12;
  }
  if (!isPatient) {
    throw invalidJson('a string has a lone surrogate');
  }
  units.push(REPLACEMENT);
  return 6;
}

/** The UTF-16 unit of the escape `\uXXXX` at a position; -1 where there is no such escape. */
function escapedUnit(text: string, at: number): number {
  if (text.charCodeAt(at) !== BACKSLASH || text.charCodeAt(at + 1) !== LETTER_U) {
    return -1;
  }
  let unit = 0;
  for (let digit = at + 2; digit < at + 6; digit += 1) {
    const value = hexValue(text.charCodeAt(digit));
    if (value < 0) {
      return -1;
    }
    unit = unit * 16 + value;
  }
  return unit;
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) {
    return byte - 0x30;
  }
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/**
 * Appends a character outside ASCII, or U+FFFD in place of bytes that are not UTF-8.
 * @returns how many bytes that took
 */
function pushCharacter(units: number[], text: string, { at, isPatient }: Place): number {
  const code = codePointAt(text, at);
  if (code < 0) {
    if (!isPatient) {
      throw invalidJson('not UTF-8');
    }
    units.push(REPLACEMENT);
    return -code;
  }
  if (code < 0x10000) {
    units.push(code);
    return code < 0x800 ? 2 : 3;
  }
  units.push(0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff)); // RFC 2781 §2.1
  return 4;
}

/**
 * The code point whose UTF-8 begins at a position (RFC 3629 §4). Where there is none, minus the
 * number of bytes to replace by one U+FFFD: the longest beginning of a valid sequence, or one byte
 * ("maximal subpart", Unicode §3.9).
 */
function codePointAt(text: string, at: number): number {
  const first = text.charCodeAt(at);
  const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
  let code = first & (0x3f >> more);
  for (let step = 1; step <= more; step += 1) {
    const byte = text.charCodeAt(at + step);
    if (!(byte >= 0x80 && byte <= 0xbf) || (step === 1 && !isSecondByte(first, byte))) {
      return -step;
    }
    code = code * 64 + (byte & 0x3f);
  }
  return more === 0 ? -1 : code;
}

/** False where the two bytes begin an overlong form, a surrogate, or a code point over U+10FFFF. */
function isSecondByte(first: number, second: number): boolean {
  switch (first) {
    case 0xe0:
      return second >= 0xa0;
    case 0xed:
      return second < 0xa0;
    case 0xf0:
      return second >= 0x90;
    case 0xf4:
      return second < 0x90;
    default:
      return true;
  }
}

function textOf(units: readonly number[]): string {
  let text = '';
  for (let at = 0; at < units.length; at += MAX_UNITS) {
    text += String.fromCharCode(...units.slice(at, at + MAX_UNITS));
  }
  return text;
}
