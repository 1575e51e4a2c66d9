// Length-prefixed frames between a process and its own child: four bytes big-endian length, then
// the body. Pure; both ends use it. A length over the limit is a permanent error: no frame is
// skipped.

import { AppError } from './errors.js';

const HEADER_BYTES = 4;

/** Most bytes the body of a frame may have. */
export const MAX_FRAME_BYTES = 64 * 1024;

/**
 * The bytes of one frame.
 * @throws AppError LIB_FRAME for a body over `MAX_FRAME_BYTES`.
 */
export function formatFrame(body: Uint8Array): Buffer {
  if (body.length > MAX_FRAME_BYTES) {
    throw tooLong(body.length);
  }
  const frame = Buffer.alloc(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.set(body, HEADER_BYTES);
  return frame;
}

/** Takes frames out of a byte stream, however it was cut. */
export class FrameSplitter {
  #pending: Buffer = Buffer.alloc(0);

  /**
   * Takes bytes in and gives the bodies of the frames they complete, as copies of their own.
   * @throws AppError LIB_FRAME for a length over `MAX_FRAME_BYTES`; the splitter is then of no more
   *   use.
   */
  push(chunk: Uint8Array): Buffer[] {
    let rest = Buffer.concat([this.#pending, chunk]);
    const bodies: Buffer[] = [];
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32BE(0);
      if (length > MAX_FRAME_BYTES) {
        throw tooLong(length);
      }
      if (rest.length < HEADER_BYTES + length) {
        break;
      }
      bodies.push(rest.subarray(HEADER_BYTES, HEADER_BYTES + length));
      rest = rest.subarray(HEADER_BYTES + length);
    }
    this.#pending = rest;
    return bodies;
  }
}

function tooLong(length: number): AppError {
  return new AppError('LIB_FRAME', `frame: ${length} bytes, more than ${MAX_FRAME_BYTES}`);
}
