// What modules print, in the log: escaped, bounded, and never in the way.

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { captureOutput } from '../../../src/keys/helper-output.js';

async function logOf(...chunks: readonly string[]): Promise<string[]> {
  const lines: string[] = [];
  const stream = new PassThrough();
  captureOutput([stream, null], (level, message) => {
    lines.push(`${level}: ${message}`);
  });
  for (const chunk of chunks) {
    stream.write(chunk);
  }
  stream.end();
  await turn();
  await turn();
  return lines;
}

describe('output of a token helper', () => {
  it('is logged by lines, the last without an end too', async () => {
    assert.deepEqual(await logOf('one\ntw', 'o\n\nthree'), [
      'warning: token helper: module says: one',
      'warning: token helper: module says: two',
      'warning: token helper: module says: three',
    ]);
  });

  it('cannot forge lines or reach the terminal', async () => {
    const [line] = await logOf('\u001b[2Jclean\rforged\u202e\n');
    assert.equal(
      line,
      String.raw`warning: token helper: module says: \u001b[2Jclean\u000dforged\u202e`,
    );
  });

  it('is cut: long lines, and many lines', async () => {
    const [long] = await logOf(`${'x'.repeat(10_000)}\n`);
    assert.ok((long ?? '').length < 600);
    const many = await logOf('line\n'.repeat(1000));
    assert.equal(many.length, 101);
    assert.match(many.at(-1) ?? '', /no longer logged/);
  });
});
