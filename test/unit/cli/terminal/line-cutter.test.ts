// Lines of files: whole whatever the reads bring, numbered, and never longer than the limit.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LineCutter, type CutLine } from '../../../../src/cli/terminal/line-cutter.js';

const LIMIT = 8;

function cut(...chunks: readonly string[]): readonly (readonly [number, string, boolean])[] {
  const cutter = new LineCutter(LIMIT);
  const lines: CutLine[] = chunks.flatMap((chunk) => [...cutter.push(Buffer.from(chunk))]);
  return [...lines, ...cutter.end()].map(({ number, bytes, isEnded }) => [
    number,
    bytes.toString(),
    isEnded,
  ]);
}

/** One at a time; the texts here are ASCII. */
function bytesOf(text: string): readonly string[] {
  return Array.from(text);
}

describe('line cutter', () => {
  it('gives the same lines however the bytes come', () => {
    const text = 'one\n\ntwo\nthree\r\nfour';
    const expected = [
      [1, 'one', true],
      [2, '', true],
      [3, 'two', true],
      [4, 'three\r', true],
      [5, 'four', false],
    ];
    assert.deepEqual(cut(text), expected);
    assert.deepEqual(cut(...bytesOf(text)), expected);
    assert.deepEqual(cut(text.slice(0, 6), text.slice(6)), expected);
  });

  it('gives no line for nothing, nor after the last newline', () => {
    assert.deepEqual(cut(), []);
    assert.deepEqual(cut('a\n'), [[1, 'a', true]]);
  });

  it('keeps of a long line so much that it is seen to be too long', () => {
    const expected = [
      [1, '123456789', true],
      [2, '12345678', true],
      [3, 'abcdefghi', false],
    ];
    const text = `${'1234567890'.repeat(9)}\n12345678\nabcdefghijklm`;
    assert.deepEqual(cut(text), expected);
    assert.deepEqual(cut(...bytesOf(text)), expected);
  });
});
