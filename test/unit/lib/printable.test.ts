import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { printable } from '../../../src/lib/printable.js';

describe('printable', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['plain text, bücher, 例え', 'plain text, bücher, 例え'],
    ['a\nb\tc\u001b[31m\u007f\u0085', 'a\\u000ab\\u0009c\\u001b[31m\\u007f\\u0085'],
    ['\u202eevil\u2066\u200f', '\\u202eevil\\u2066\\u200f'],
    ['\u2028\u2029\ufeff', '\\u2028\\u2029\\ufeff'],
    ['half \ud83d', 'half \\ud83d'],
  ];
  for (const [text, expected] of cases) {
    it(JSON.stringify(expected), () => {
      assert.equal(printable(text), expected);
    });
  }

  it('cuts what is long, and marks it', () => {
    assert.equal(printable('abcdef', 3), 'abc…');
    assert.equal(printable('x'.repeat(5000)).length, 1001);
  });
});
