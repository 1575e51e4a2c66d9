// What is cut off the bytes of a PIN, and what cannot be a PIN.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isUtf8, oddityOf, withoutLineEnd } from '../../../../src/keys/pin/pin-line.js';

describe('the line end of a PIN', () => {
  it('is cut off once', () => {
    for (const [text, pin] of [
      ['', ''],
      ['1', '1'],
      ['1\n', '1'],
      ['1\r\n', '1'],
      ['1\n\n', '1\n'],
      ['1\r\n\r\n', '1\r\n'],
      ['1\r', '1\r'],
      ['\n', ''],
      ['\r\n', ''],
      ['\n1', '\n1'],
    ] as const) {
      assert.equal(withoutLineEnd(Buffer.from(text)).toString(), pin, JSON.stringify(text));
    }
  });
});

describe('bytes that are more than a PIN', () => {
  it('are known by a mark, a NUL, another line, or a blank at either end', () => {
    for (const [text, oddity] of [
      ['\ufeff1', 'begins with a byte order mark'],
      ['1\u00002', 'holds a NUL'],
      ['1\n2', 'has a second line, or a second line end'],
      ['1\r2', 'has a second line, or a second line end'],
      ...[' ', '\t', '\v', '\f', '\u00a0', '\u3000'].flatMap(
        (blank) =>
          [
            [`${blank}1`, 'begins with a blank'],
            [`1${blank}`, 'ends with a blank'],
          ] as const,
      ),
    ] as const) {
      assert.equal(oddityOf(Buffer.from(text)), oddity, JSON.stringify(text));
    }
  });

  it('are not those with a blank inside, or with bytes that only resemble one', () => {
    for (const text of ['1 2', '1\u00a02', '', 'é', '\u00a1', 'a\ufeff']) {
      assert.equal(oddityOf(Buffer.from(text)), undefined, JSON.stringify(text));
    }
    assert.equal(oddityOf(Buffer.from([0xa0])), undefined, 'half of a no-break space');
  });
});

describe('UTF-8', () => {
  it('is what no decoder has to replace', () => {
    assert.ok([Buffer.from('ключ'), Buffer.from('\ufeff1'), Buffer.alloc(0)].every(isUtf8));
    assert.ok(![Buffer.from([0xe9]), Buffer.from([0xed, 0xa0, 0x80])].some(isUtf8));
  });
});
