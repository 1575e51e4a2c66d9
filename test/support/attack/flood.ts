// Many connections that send as much as they are let, and take what comes: clients of a listener
// that mean harm, or are many. Used by test processes only.

import { connect, type Socket } from 'node:net';
import { atEnd, type Scope } from '../scope.js';

const TOP_UP_MS = 50;

interface FloodOptions {
  readonly socket: string;
  readonly connections: number;
  /** What each sends at first. */
  readonly bytes: Buffer;
  /** What each sends again whenever it is rid of all; nothing by default. */
  readonly again?: Buffer;
}

interface Flood {
  /** Bytes received by all. */
  readonly received: number;
  stop(): void;
}

/**
 * Resolves when all are connected. Who is disconnected comes again, until it is stopped or the
 * scope ends.
 */
export async function startFlood(scope: Scope, options: FloodOptions): Promise<Flood> {
  const sockets = new Set<Socket>();
  let received = 0;
  let isStopped = false;
  const open = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(options.socket, () => {
        socket.write(options.bytes);
        resolve();
      });
      sockets.add(socket);
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        resolve();
        if (!isStopped) {
          setTimeout(() => void open(), 1); // not in a circle while the daemon takes nobody
        }
      });
    });
  const timer = setInterval(() => {
    for (const socket of sockets) {
      if (options.again !== undefined && !socket.connecting && socket.writableLength === 0) {
        socket.write(options.again);
      }
    }
  }, TOP_UP_MS);
  const stop = (): void => {
    isStopped = true;
    clearInterval(timer);
    sockets.forEach((socket) => socket.destroy());
  };
  atEnd(scope, stop);
  for (let count = 0; count < options.connections; count += 1) {
    await open();
  }
  return {
    get received(): number {
      return received;
    },
    stop,
  };
}
