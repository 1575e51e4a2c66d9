// Ports for servers of a test. Used by test processes only.

import { createServer } from 'node:net';

/**
 * A TCP port of 127.0.0.1 that nobody listens on right now, as the kernel chose it. It is not
 * reserved: start the server soon, and let it fail loudly when another process was faster.
 */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string') {
          reject(new Error('the kernel gave no port'));
        } else {
          resolve(address.port);
        }
      });
    });
  });
}

/** Several different free ports at once. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    ports.add(await freePort());
  }
  return [...ports];
}

/** True when nobody listens on this port of 127.0.0.1 right now. */
export function isFreePort(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
