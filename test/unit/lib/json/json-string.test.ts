import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeString } from '../../../../src/lib/json/json-string.js';

const NOT_ENDING = 'json: a string that does not end, or with a control character';
const NO_ESCAPE = 'json: an escape that is none';
const SURROGATE = 'json: a string has a lone surrogate';
const NOT_UTF8 = 'json: not UTF-8';

/** A string that ends at a quotation mark, from its bytes. */
function decode(bytes: readonly number[] | string, isPatient: boolean): string {
  const text = typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');
  const { value, end } = decodeString(`"${text}"x`, 1, isPatient);
  assert.equal(end, 1 + text.length);
  return value;
}

function assertRefused(bytes: readonly number[] | string, message: string): void {
  assert.throws(() => decode(bytes, false), { code: 'LIB_JSON', message });
}

describe('decodeString', () => {
  for (const [literal, value] of [
    ['', ''],
    ['a b\u007f', 'a b\u007f'],
    ['\\"\\\\\\/\\b\\f\\n\\r\\t', '"\\/\b\f\n\r\t'],
    ['\\u0000\\u001f\\u00e9\\uFFFF', '\u0000\u001f\u00e9\uffff'],
    ['\\u09aF\\uAf90', '\u09af\uaf90'],
    ['\\ud7ff\\ue000', '\ud7ff\ue000'],
    ['\\ud800\\udc00', '\u{10000}'],
    ['\\udbff\\udfff', '\u{10ffff}'],
    ['x\\ud83d\\ude00y', 'x\u{1f600}y'],
  ] as const) {
    it(`reads the escapes of ${JSON.stringify(literal)}`, () => {
      assert.equal(decode(literal, false), value);
      assert.equal(decode(literal, true), value);
    });
  }

  for (const literal of [
    ...['\\x', '\\a', '\\U0041', '\\u', '\\u004', '\\u004g', '\\u004G', '\\u00 1', '\\u004/'],
    ...['\\u004:', '\\u004@', '\\u004`', '\\0', '\\u{41}', '\\u00-1'],
  ]) {
    it(`refuses the escape ${JSON.stringify(literal)}, even when patient`, () => {
      assertRefused(literal, NO_ESCAPE);
      assert.throws(() => decode(literal, true), { code: 'LIB_JSON', message: NO_ESCAPE });
    });
  }

  for (const [literal, patient] of [
    ['\\ud800', '\ufffd'],
    ['\\udbff', '\ufffd'],
    ['\\udc00', '\ufffd'],
    ['\\udfff', '\ufffd'],
    ['\\ud800x', '\ufffdx'],
    ['\\ud800\\u0041', '\ufffdA'],
    ['\\ud800\\ue000', '\ufffd\ue000'],
    ['\\ud800\\udbff', '\ufffd\ufffd'],
    ['\\udc00\\udc00', '\ufffd\ufffd'],
    ['\\udc00\\ud800', '\ufffd\ufffd'],
    ['\\ud800\\n', '\ufffd\n'],
    ['\\ud800\\ud800\\udc00', '\ufffd\u{10000}'],
  ] as const) {
    it(`takes the lone surrogate of ${JSON.stringify(literal)} only when patient`, () => {
      assertRefused(literal, SURROGATE);
      assert.equal(decode(literal, true), patient);
    });
  }

  for (const code of [
    ...[0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd7ff, 0xe000, 0xfffd, 0xffff],
    ...[0x10000, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10ffff],
  ]) {
    it(`reads U+${code.toString(16)}`, () => {
      const text = String.fromCodePoint(code);
      assert.equal(decode([...Buffer.from(`a${text}b`)], false), `a${text}b`);
    });
  }

  for (const [name, bytes] of [
    ['a continuation byte alone', [0x80]],
    ['the last continuation byte alone', [0xbf]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong DEL', [0xc1, 0xbf]],
    ['two bytes cut after the first', [0xc2]],
    ['two bytes with a wrong second', [0xc2, 0x41]],
    ['two bytes with a second too large', [0xc2, 0xc0]],
    ['an overlong form of three bytes', [0xe0, 0x9f, 0xbf]],
    ['three bytes cut after the second', [0xe2, 0x82]],
    ['three bytes with a wrong third', [0xe2, 0x82, 0x28]],
    ['the first surrogate', [0xed, 0xa0, 0x80]],
    ['the last surrogate', [0xed, 0xbf, 0xbf]],
    ['an overlong form of four bytes', [0xf0, 0x8f, 0xbf, 0xbf]],
    ['four bytes cut after the third', [0xf0, 0x9f, 0x98]],
    ['four bytes with a wrong fourth', [0xf0, 0x9f, 0x98, 0xff]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a first byte that UTF-8 does not have', [0xf5, 0x80, 0x80, 0x80]],
    ['five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80]],
    ['a byte of ones', [0xff]],
  ] as const) {
    it(`refuses ${name}; patient, reads it as the platform does`, () => {
      assertRefused(bytes, NOT_UTF8);
      assertRefused([0x61, ...bytes], NOT_UTF8);
      const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(bytes));
      assert.equal(decode(bytes, true), decoded);
      assert.equal(decode([0x61, ...bytes, 0x62], true), `a${decoded}b`);
    });
  }

  it('refuses control characters and a string without an end, even when patient', () => {
    for (const isPatient of [false, true]) {
      for (const text of ['\u0000"', '\u001f"', '\n"', 'abc', '', '\\u0041', '\u00c2\u0080']) {
        assert.throws(() => decodeString(text, 0, isPatient), {
          code: 'LIB_JSON',
          message: NOT_ENDING,
        });
      }
    }
    assert.equal(decode(' ', false), ' ');
    assert.throws(() => decodeString('\\', 0, false), { message: NO_ESCAPE });
  });

  it('reads long strings whole', () => {
    for (const length of [4095, 4096, 4097, 20_000]) {
      const text = Array.from({ length }, (_, at) => String.fromCharCode(0x61 + (at % 26))).join(
        '',
      );
      assert.equal(decode(`${text}\\n`, false), `${text}\n`);
    }
  });
});
