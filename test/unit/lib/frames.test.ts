// Frames between a process and its child: whatever the cuts, whole bodies come out, and no more
// than fit.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatFrame, FrameSplitter, MAX_FRAME_BYTES } from '../../../src/lib/frames.js';
import { appErrorOf } from '../../support/app-error.js';

describe('frames', () => {
  it('come out as they went in, however the bytes are cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    fc.assert(
      fc.property(bodies, fc.integer({ min: 1, max: 50 }), (sent, step) => {
        const bytes = Buffer.concat(sent.map((body) => formatFrame(body)));
        const splitter = new FrameSplitter();
        const received: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += step) {
          received.push(...splitter.push(bytes.subarray(at, at + step)));
        }
        assert.deepEqual(
          received.map((body) => body.toString('hex')),
          sent.map((body) => Buffer.from(body).toString('hex')),
        );
      }),
    );
  });

  it('do not share memory with the buffer that brought them', () => {
    const chunk = formatFrame(Buffer.from('secret'));
    const [body] = new FrameSplitter().push(chunk);
    chunk.fill(0);
    assert.equal(body?.toString(), 'secret');
  });

  it('have a limit on both sides', async () => {
    assert.equal(formatFrame(Buffer.alloc(MAX_FRAME_BYTES)).length, MAX_FRAME_BYTES + 4);
    await appErrorOf(() => formatFrame(Buffer.alloc(MAX_FRAME_BYTES + 1)), 'LIB_FRAME');
    const header = Buffer.alloc(4);
    header.writeUInt32BE(MAX_FRAME_BYTES + 1);
    await appErrorOf(() => new FrameSplitter().push(header), 'LIB_FRAME');
  });

  it('announce a length before any of the body is kept', () => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(MAX_FRAME_BYTES);
    assert.deepEqual(new FrameSplitter().push(header), []);
  });
});
