import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasControlCharacter, printable, printableLines } from '../../../src/lib/printable.js';

describe('printable', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['plain text, bücher, 例え', 'plain text, bücher, 例え'],
    ['a\nb\tc\u001b[31m\u007f\u0085', 'a\\u000ab\\u0009c\\u001b[31m\\u007f\\u0085'],
    ['\u202eevil\u2066\u200f', '\\u202eevil\\u2066\\u200f'],
    ['\u2028\u2029\ufeff', '\\u2028\\u2029\\ufeff'],
    ['half \ud83d', 'half \\ud83d'],
    ['\u{e0001} 😀', '\\udb40\\udc01 😀'],
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

describe('printableLines', () => {
  it('lets line ends be, and nothing else that is no text', () => {
    assert.equal(
      printableLines('a\nb\u001b[2J\r\n\u009b\t'),
      'a\nb\\u001b[2J\\u000d\n\\u009b\\u0009',
    );
    assert.equal(printableLines('plain\ntext ~\n'), 'plain\ntext ~\n');
  });

  it('leaves JSON the same JSON', () => {
    const value = { 'k\u202e\n': '\u0000\u009b\u2066\u{e0001}ü\\', n: [1] };
    assert.deepEqual(JSON.parse(printableLines(JSON.stringify(value, undefined, 2))), value);
  });
});

describe('hasControlCharacter', () => {
  it('sees C0, DEL and C1, and no other', () => {
    const all = Array.from({ length: 0x250 }, (_, code) => code);
    const seen = all.filter((code) => hasControlCharacter(`a${String.fromCharCode(code)}b`));
    assert.deepEqual(
      seen,
      all.filter((code) => code < 0x20 || (code >= 0x7f && code <= 0x9f)),
    );
  });
});
