import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  isJsonObject,
  jsonMember,
  MAX_JSON_DEPTH,
  parseStrictJson,
} from '../../../src/lib/strict-json.js';

const parse = (text: string): unknown => parseStrictJson(Buffer.from(text));

describe('parseStrictJson', () => {
  it('gives what JSON.parse gives for what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value);
        let strict: unknown;
        try {
          strict = parse(text);
        } catch {
          // Lone surrogates are JSON, and refused: JSON.stringify writes them as \ud8xx escapes.
          assert.match(text, /\\ud[89a-f]/i);
          return;
        }
        assert.deepEqual(strict, JSON.parse(text));
      }),
    );
  });

  for (const [name, text] of [
    ['a duplicate member', '{"a":1,"a":2}'],
    ['a duplicate spelled with an escape', '{"a":1,"\\u0061":2}'],
    ['a duplicate deeper down', '[{"x":{"a":1,"b":[],"a":2}}]'],
    ['a byte order mark', '\ufeff{}'],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a lone surrogate as a name', '{"\\udc00":1}'],
    ['a number beyond a double', '{"a":1e999}'],
    ['a number beyond a double in a list', '[[1e999]]'],
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
});
