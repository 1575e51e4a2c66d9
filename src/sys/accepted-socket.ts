// Sockets that a server accepted, read in small pieces. Runs in the daemon. What a peer sends is
// not ours before it is read: in the kernel it counts against the peer.

import { Socket } from 'node:net';

/**
 * Node has no option for it at a server: a socket of a server is read with buffers of 64 KiB, one
 * for each read.
 */
const HANDLE = '_handle';

/**
 * Has no more than `bytes` read at once, all sockets with the same buffer, and nothing while so
 * many wait in the stream. Give it an accepted socket before anything else has it; go on with the
 * one that is returned.
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

/** One for all: what was read is copied out before the next read. */
function sharedBuffer(bytes: number): Buffer {
  if (shared.length !== bytes) {
    shared = Buffer.alloc(bytes);
  }
  return shared;
}
