import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_PATIENT_DEPTH, parsePatientJson } from '../../../../src/lib/json/patient-json.js';
import { fuzzed } from '../../../support/attack/fuzz.js';
import { platformReading } from '../../../support/attack/json-parse.js';

const parse = (...parts: readonly (string | readonly number[])[]): unknown =>
  parsePatientJson(Buffer.concat(parts.map((part) => Buffer.from(part))));

describe('parsePatientJson', () => {
  it('gives what JSON.parse gives for what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        const read = parse(text);
        assert.equal(JSON.stringify(read), text);
        assert.deepEqual({ value: read }, platformReading(text, { value: read }));
      }),
      fuzzed(300),
    );
  });

  for (const [name, given, expected] of [
    ['a byte order mark', '\ufeff{"a":1}', { a: 1 }],
    ['a member twice, of which the last counts', '{"a":1,"\\u0061":2}', { a: 2 }],
    ['a byte order mark alone before a list', '\ufeff [ ]', []],
    ['a lone surrogate', '"a\\ud800b\\udc00"', 'a\ufffdb\ufffd'],
    ['a number beyond a double', '1e999', Infinity],
    ['any number', '[-0.5e1,9007199254740993]', [-5, 9_007_199_254_740_992]],
  ] as const) {
    it(`takes ${name}`, () => {
      assert.deepEqual(parse(given), expected);
    });
  }

  it('takes bytes that are no UTF-8 as the decoder of the platform does', () => {
    for (const bytes of [
      [0xe9],
      [0xff],
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
    ]) {
      const text = new TextDecoder().decode(Buffer.from(bytes));
      assert.equal(parse('"a', bytes, 'b"'), `a${text}b`);
    }
  });

  it('refuses what is no JSON', () => {
    for (const text of [
      '',
      '{',
      '<html>',
      "{'a':1}",
      '[1,]',
      '"\n"',
      '{}{}',
      'nul',
      '01',
      '+1',
      'NaN',
    ]) {
      assert.throws(() => parse(text), { code: 'LIB_JSON' }, text);
    }
  });

  it('takes the deepest nesting allowed and refuses one more', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    parse(nested(MAX_PATIENT_DEPTH));
    assert.throws(() => parse(nested(MAX_PATIENT_DEPTH + 1)), { code: 'LIB_JSON' });
    assert.throws(() => parse(nested(100_000)), { code: 'LIB_JSON' });
  });

  it('makes own members of names that an object has by itself', () => {
    const object = parse('{"__proto__":{"x":1},"constructor":1}');
    assert.ok(typeof object === 'object' && object !== null);
    assert.deepEqual(Object.keys(object), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(object), Object.prototype);
  });
});
