// Collecting secret output: whole, bounded, and gone from everywhere else.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WipedOutput } from '../../../../src/keys/pin/wiped-output.js';

describe('wiped output', () => {
  it('keeps what came, and wipes each chunk', () => {
    const output = new WipedOutput(6);
    const chunks = [Buffer.from('abc'), Buffer.from('def')];
    assert.ok(chunks.every((chunk) => output.push(chunk)));
    assert.deepEqual(chunks, [Buffer.alloc(3), Buffer.alloc(3)]);
    assert.equal(output.take().toString(), 'abcdef');
  });

  it('takes no more than it may, and wipes that too', () => {
    const output = new WipedOutput(4);
    const tooMuch = Buffer.from('abcde');
    assert.equal(output.push(tooMuch), false);
    assert.deepEqual(tooMuch, Buffer.alloc(5));
    assert.equal(output.take().length, 0);
  });

  it('forgets everything, but for what was taken', () => {
    const output = new WipedOutput(4);
    output.push(Buffer.from('abcd'));
    const taken = output.take();
    output.wipe();
    assert.equal(taken.toString(), 'abcd');
    assert.equal(output.take().length, 0);
  });
});
