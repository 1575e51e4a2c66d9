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
    splitter.push(Buffer.from(chunk));
    for (
      let cut = splitter.next();
      cut !== undefined && error === undefined;
      cut = splitter.next()
    ) {
      error = cut.error;
      lines.push(...(cut.line === undefined ? [] : [cut.line.toString('latin1')]));
    }
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

  it('tells how long the next line is before it is cut, and nothing of one that has not ended', () => {
    const splitter = new LineSplitter(LIMIT);
    assert.equal(splitter.nextBytes, undefined);
    splitter.push(Buffer.from('abc\r\n\r\nrest'));
    assert.deepEqual([splitter.nextBytes, splitter.pendingBytes], [5, 11]);
    splitter.next();
    assert.deepEqual([splitter.nextBytes, splitter.pendingBytes], [2, 6]);
    splitter.next();
    assert.deepEqual([splitter.nextBytes, splitter.pendingBytes], [undefined, 4]);
    assert.equal(splitter.next(), undefined);
    splitter.push(Buffer.from('\n'));
    assert.equal(splitter.nextBytes, 0, 'an error');
  });

  it('gives the lines that were pushed at once, one when it is asked for one', () => {
    const splitter = new LineSplitter(LIMIT);
    splitter.push(Buffer.from('a\r\n'));
    splitter.push(Buffer.from('b\r\nc'));
    assert.equal(splitter.next()?.line?.toString(), 'a');
    splitter.push(Buffer.from('d\r\n'));
    assert.equal(splitter.next()?.line?.toString(), 'b');
    assert.equal(splitter.next()?.line?.toString(), 'cd');
    assert.equal(splitter.next(), undefined);
  });

  it('keeps half a line in memory of its own, not the chunk that it came in', () => {
    const splitter = new LineSplitter(LIMIT);
    const chunk = Buffer.from('abc\r\nhalf');
    splitter.push(chunk);
    assert.equal(splitter.next()?.line?.toString(), 'abc');
    assert.equal(splitter.next(), undefined);
    chunk.fill(0);
    splitter.push(Buffer.from('\r\n'));
    assert.equal(splitter.next()?.line?.toString(), 'half');
  });

  it('tells an error again and again, and takes nothing more', () => {
    const splitter = new LineSplitter(LIMIT);
    splitter.push(Buffer.from('a\n'));
    for (let times = 0; times < 2; times += 1) {
      assert.deepEqual(splitter.next(), { error: 'bare-line-ending' });
      splitter.push(Buffer.from('b\r\n'));
      assert.equal(splitter.pendingBytes, 0);
    }
  });
});
