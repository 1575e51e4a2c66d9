import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isJsonObject, jsonMember } from '../../../../src/lib/json/json-value.js';
import {
  MAX_JSON_DEPTH,
  parseStrictJson,
  parseStrictJsonWithDecimals,
} from '../../../../src/lib/json/strict-json.js';

const parse = (text: string): unknown => parseStrictJson(Buffer.from(text));

describe('parseStrictJson', () => {
  for (const [name, text] of [
    ['a duplicate member', '{"a":1,"a":2}'],
    ['a duplicate spelled with an escape', '{"a":1,"\\u0061":2}'],
    ['a duplicate deeper down', '[{"x":{"a":1,"b":[],"a":2}}]'],
    ['a byte order mark', '\ufeff{}'],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a lone surrogate as a name', '{"\\udc00":1}'],
    ['a number beyond a double', '{"a":1e999}'],
    ['a number beyond a double in a list', '[[1e999]]'],
    ['an integer that a double does not hold', '[9007199254740993]'],
    ['an integer that another one rounds to', '[9007199254740992]'],
    ['an exponent', '1e1'],
    ['a decimal point', '1.0'],
    ['a zero with a sign', '-0'],
    ['a zero before a number', '01'],
    ['a zero before a negative number', '-01'],
    ['a sign alone', '[-]'],
    ['an escape that is none', '"\\x41"'],
    ['an escape with a digit too few', '"\\u004"'],
    ['a string that does not end', '"a'],
    ['a string that ends in a backslash', '"a\\'],
    ['a string that ends in an escaped quotation mark', '"a\\"'],
    ['a list that does not end', '[1'],
    ['a list that ends as an object', '[1}'],
    ['an object that ends as a list', '{"a":1]'],
    ['a member without a value', '{"a"}'],
    ['a name that is none', '{a:1}'],
    ['a word cut short', 'tru'],
    ['a word in capitals', 'True'],
    ['a blank of another kind', '[1,\u00a02]'],
    ['a form feed', '[1,\f2]'],
    ['two values', '{}{}'],
    ['a trailing comma', '{"a":1,}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{}//'],
    ['nothing', ''],
    ['a raw control character', '"\u0001"'],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parse(text), { code: 'LIB_JSON' });
    });
  }

  for (const [text, problem] of [
    ['', 'no value'],
    [' ', 'no value'],
    ['nul', 'no value'],
    ['trux', 'no value'],
    ['fals', 'no value'],
    ['[,]', 'no value'],
    ['{}{}', 'something behind the value'],
    ['1 x', 'something behind the value'],
    ['\ufeff1', 'no value'],
    ['{1:2}', 'a member without a name'],
    ['{"a":1,}', 'a member without a name'],
    ['{"a" 1}', 'a member without a value'],
    ['{"a"}', 'a member without a value'],
    ['{"a":1,"a":1}', 'a member occurs twice'],
    ['[1', 'an object or array that does not end'],
    ['[1}', 'an object or array that does not end'],
    ['[1 2]', 'an object or array that does not end'],
    ['{"a":1]', 'an object or array that does not end'],
    ['{"a":1', 'an object or array that does not end'],
    ['"a', 'a string that does not end, or with a control character'],
    ['"a\u001f"', 'a string that does not end, or with a control character'],
    [`${'['.repeat(17)}${']'.repeat(17)}`, 'nested too deep'],
    [`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`, 'nested too deep'],
  ] as const) {
    it(`says ${JSON.stringify(problem)} of ${JSON.stringify(text)}`, () => {
      assert.throws(() => parse(text), { code: 'LIB_JSON', message: `json: ${problem}` });
    });
  }

  it('takes every kind of value, and white space of every kind around it', () => {
    const text = ' \t\n\r{ "a" : [ true , false , null , "b" , -1 , { } , [ ] ] , "c":"" } \r\n\t ';
    assert.deepEqual(parse(text), { a: [true, false, null, 'b', -1, {}, []], c: '' });
    for (const value of [true, false, null, 'a', 0, {}, []]) {
      assert.deepEqual(parse(JSON.stringify(value)), value);
    }
  });

  it('counts depth by what is open, not by what has been', () => {
    const many = `[${Array.from({ length: 40 }, () => '[[]],{"a":{}}').join(',')}]`;
    assert.equal(JSON.stringify(parse(many)), many);
    const tooDeep = `[[],{},[],${'['.repeat(16)}${']'.repeat(16)}]`;
    assert.throws(() => parse(tooDeep), { message: 'json: nested too deep' });
  });

  it('makes members of any name own members that can be changed', () => {
    const object = parse('{"__proto__":1,"constructor":2,"":3}');
    assert.ok(typeof object === 'object' && object !== null);
    assert.deepEqual(Object.entries(object), [
      ['__proto__', 1],
      ['constructor', 2],
      ['', 3],
    ]);
    assert.deepEqual(Object.getOwnPropertyDescriptor(object, '__proto__'), {
      value: 1,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  });

  it('refuses invalid UTF-8', () => {
    assert.throws(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22])), { code: 'LIB_JSON' });
  });

  it('takes the same name in different objects', () => {
    assert.deepEqual(parse('{"a":{"a":1},"b":[{"a":1},{"a":2}]}'), {
      a: { a: 1 },
      b: [{ a: 1 }, { a: 2 }],
    });
  });

  it('is not led astray by brackets, commas and quotes inside strings', () => {
    const value = { 'a"{,': '}],"b":[', 'b\\': ['{"a"', '\\"'], c: ',' };
    assert.deepEqual(parse(JSON.stringify(value)), value);
  });

  it('takes the deepest nesting allowed and refuses one more', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    parse(nested(MAX_JSON_DEPTH));
    assert.throws(() => parse(nested(MAX_JSON_DEPTH + 1)), { code: 'LIB_JSON' });
    assert.throws(() => parse(nested(10_000)), { code: 'LIB_JSON' });
  });

  it('finds own members only', () => {
    const object = parseStrictJson(Buffer.from('{"__proto__":{"x":1}}'));
    assert.ok(isJsonObject(object));
    assert.equal(jsonMember(object, 'constructor'), undefined);
    assert.equal(jsonMember(object, 'x'), undefined);
    assert.deepEqual(jsonMember(object, '__proto__'), { x: 1 });
  });

  it('takes integers as far as a double counts', () => {
    assert.deepEqual(parse('[9007199254740991,-9007199254740991,0,10]'), [
      Number.MAX_SAFE_INTEGER,
      -Number.MAX_SAFE_INTEGER,
      0,
      10,
    ]);
  });

  it('takes decimals where it is asked to, of 15 digits at most', () => {
    const decimals = (text: string): unknown => parseStrictJsonWithDecimals(Buffer.from(text));
    assert.deepEqual(
      decimals('[0.10,12.35,-3.00,123456789012345,0.00000000000001]'),
      [0.1, 12.35, -3, 123_456_789_012_345, 1e-14],
    );
    for (const text of ['0.1234567890123456', '1.5e1', '-0.0', '.5', '5.', '00.5']) {
      assert.throws(() => decimals(text), { code: 'LIB_JSON' }, text);
    }
  });

  it('reads every escape, and characters of one to four bytes', () => {
    const text =
      '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\uD83D\\ude00\u007f\u00e9\u20ac\u{1f600}\u{10ffff}"';
    assert.equal(parse(text), '"\\/\b\f\n\r\tA\u{1f600}\u007f\u00e9\u20ac\u{1f600}\u{10ffff}');
  });

  it('reads a part of a buffer as if it stood alone', () => {
    const whole = Buffer.from('xx{"a":"b"}yy');
    assert.deepEqual(parseStrictJson(whole.subarray(2, -2)), { a: 'b' });
    assert.deepEqual(parseStrictJson(new Uint8Array(whole).subarray(2, -2)), { a: 'b' });
  });
});
