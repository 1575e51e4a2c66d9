import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from '../../../src/lib/line-splitter.js';

const LIMIT = 20;

function split(...chunks: (string | Buffer)[]): { lines: string[]; error: string | undefined } {
  const splitter = new LineSplitter(LIMIT);
  const lines: string[] = [];
  let error: string | undefined;
  for (const chunk of chunks) {
    const result = splitter.push(Buffer.from(chunk));
    lines.push(...result.lines.map((line) => line.toString('latin1')));
    error ??= result.error;
  }
  return { lines, error };
}

describe('LineSplitter', () => {
  it('gives lines without their ending', () => {
    assert.deepEqual(split('a\r\n\r\nbc\r\nd'), { lines: ['a', '', 'bc'], error: undefined });
  });

  it('gives the same for every way to cut the bytes', () => {
    const line = fc.stringMatching(/^[ -~]{0,20}$/);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), fc.array(fc.nat(120)), (lines, cuts) => {
        const text = lines.map((l) => `${l}\r\n`).join('');
        const chunks: string[] = [];
        let from = 0;
        for (const cut of [...cuts, text.length].sort((a, b) => a - b)) {
          chunks.push(text.slice(from, cut));
          from = Math.max(from, Math.min(cut, text.length));
        }
        assert.deepEqual(split(...chunks), { lines, error: undefined });
      }),
    );
  });

  it('takes a line of exactly the limit, however it is cut', () => {
    const line = 'x'.repeat(LIMIT);
    assert.deepEqual(split(`${line}\r\n`).lines, [line]);
    assert.deepEqual(split(`${line}\r`, '\n').lines, [line]);
    assert.deepEqual(split(line, '\r\n').lines, [line]);
  });

  it('refuses a line one byte over the limit, ended or not', () => {
    assert.equal(split(`${'x'.repeat(LIMIT + 1)}\r\n`).error, 'line-too-long');
    assert.equal(split('x'.repeat(LIMIT + 1)).error, 'line-too-long');
    assert.equal(split(`${'x'.repeat(LIMIT)}\r`, 'y').error, 'line-too-long');
  });

  for (const [name, text] of [
    ['LF alone', 'ab\n'],
    ['LF first', '\nab\r\n'],
    ['CR inside a line', 'a\rb\r\n'],
    ['CR CR LF', 'ab\r\r\n'],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.equal(split(text).error, 'bare-line-ending');
    });
  }

  it('refuses NUL', () => {
    assert.equal(split('a\0b\r\n').error, 'control-character');
  });

  it('gives the lines before an error, and nothing after it', () => {
    assert.deepEqual(split('a\r\nb\nc\r\n', 'd\r\n'), { lines: ['a'], error: 'bare-line-ending' });
  });

  it('never shares memory with the chunk', () => {
    const chunk = Buffer.from('abc\r\n');
    const { lines } = new LineSplitter(LIMIT).push(chunk);
    chunk.fill(0);
    assert.equal(lines[0]?.toString(), 'abc');
  });

  it('hands out what came after the last line', () => {
    const splitter = new LineSplitter(LIMIT);
    splitter.push(Buffer.from('a\r\nrest'));
    assert.equal(splitter.pendingBytes, 4);
    assert.equal(splitter.takePending().toString(), 'rest');
    assert.equal(splitter.pendingBytes, 0);
  });
});
