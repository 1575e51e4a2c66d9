// Sockets that a server accepted, read in small pieces. Runs in clavigerd. Bytes that are not read
// stay in the kernel, where they count against the peer's buffer and not against our memory.

import { Socket } from 'node:net';

/**
 * Node has no option for it at a server: a socket of a server is read with buffers of 64 KiB, one
 * for each read.
 */
const HANDLE = '_handle';

/**
 * Makes a socket read at most `bytes` at once, into a buffer that all sockets share, and nothing
 * while so many wait in its stream. Takes an accepted socket that nothing else uses yet; only the
 * returned one may be used afterwards.
 */
export function withSmallReads(accepted: Socket, bytes: number): Socket {
  const handle: unknown = Reflect.get(accepted, HANDLE);
  if (typeof handle !== 'object' || handle === null) {
    return accepted; // closed already
  }
  Reflect.set(accepted, HANDLE, null); // it is closed with its new owner
  accepted.destroy();
  const options = {
    handle,
    allowHalfOpen: accepted.allowHalfOpen,
    readable: true,
    writable: true,
    readableHighWaterMark: bytes,
    onread: {
      buffer: sharedBuffer(bytes),
      callback: (length: number, buffer: Uint8Array): boolean =>
        socket.push(Buffer.from(buffer.subarray(0, length))),
    },
  };
  const socket: Socket = new Socket(options);
  return socket;
}

let shared: Buffer = Buffer.alloc(0);

/** One buffer for all sockets: what was read is copied out before the next read. */
function sharedBuffer(bytes: number): Buffer {
  if (shared.length !== bytes) {
    shared = Buffer.alloc(bytes);
  }
  return shared;
}
