// What modules print, in the log: escaped, bounded, and never in the way.

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { captureOutput } from '../../../../src/keys/helper/module-output.js';
import { HELPER_LINE_MARK } from '../../../../src/token/messages.js';

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

  it('is thrown away once a PIN is on its way, but for the lines of the helper itself', async () => {
    const lines: string[] = [];
    const stream = new PassThrough();
    const output = captureOutput([stream], (level, message) => {
      lines.push(`${level}: ${message}`);
    });
    stream.write('before\nhalf a li');
    await turn();
    output.silence();
    stream.end(`ne 1234\n00000000 31 32 33 34\n${HELPER_LINE_MARK}TypeError: x\nlast 1234`);
    await turn();
    await turn();
    assert.deepEqual(lines, [
      'warning: token helper: module says: before',
      'info: token helper: module says more; not logged, for it has had a PIN',
      'error: token helper: TypeError: x',
    ]);
  });
});
