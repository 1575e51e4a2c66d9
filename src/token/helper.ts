// The token helper: the only process that loads a PKCS#11 module. clavigerd or `clavigerd key`
// starts it with a socket as descriptor 3; it reads a request, does it, writes the reply. All three
// are synchronous, so that nothing else runs during a native call. It trusts its parent, talks to
// nobody else, and ends when the parent closes the socket. Stuck in native code it does not notice
// that, and outlives a parent killed by SIGKILL: systemd ends it with the service (KillMode=mixed),
// elsewhere a person has to. Its core dump would contain the PIN: the service sets LimitCORE=0.

import { readSync, writeSync } from 'node:fs';
import { messageOf, systemCodeOf } from '../lib/errors.js';
import { FrameSplitter, formatFrame } from '../lib/frames.js';
import { formatMessage, HELPER_LINE_MARK, parseRequest } from './messages.js';
import { TokenServer } from './token-server.js';

const STDERR_FD = 2;
const SOCKET_FD = 3;
const READ_BYTES = 64 * 1024;

// Without a handler, SIGUSR1 makes Node open its debugger to every local user.
process.on('SIGUSR1', () => undefined);
// systemd sends SIGTERM to all processes of a service; clavigerd then ends its helpers in order.
// SoftHSM rewrites the file of the token at each login, and loses the token if it ends meanwhile.
process.on('SIGTERM', () => undefined);
process.on('SIGINT', () => undefined);

try {
  await serve(new TokenServer());
} catch (error) {
  // On a line of its own with a mark, so that it is not taken for output of the module.
  const trace = (error instanceof Error ? error.stack : undefined) ?? messageOf(error);
  writeSync(STDERR_FD, `\n${HELPER_LINE_MARK}${trace.replaceAll(/\s*\n\s*/g, ' ')}\n`);
  process.exit(1);
}
// Not by an empty event loop: threads or handles of the module could keep the process running.
process.exit(0);

async function serve(server: TokenServer): Promise<void> {
  const frames = new FrameSplitter();
  const chunk = Buffer.alloc(READ_BYTES);
  for (;;) {
    const count = readSome(chunk);
    if (count === 0) {
      await server.handle({ op: 'close' });
      return;
    }
    const bodies = frames.push(chunk.subarray(0, count));
    chunk.fill(0, 0, count);
    for (const body of bodies) {
      const { id, request } = parseRequest(body);
      body.fill(0);
      const result = await server.handle(request);
      writeAll(formatFrame(formatMessage({ id, result })));
      if (request.op === 'close') {
        return;
      }
    }
  }
}

function readSome(chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(SOCKET_FD, chunk, 0, chunk.length, null);
    } catch (error) {
      // A signal arrived while waiting, or the parent died with unread data in the socket.
      if (systemCodeOf(error) === 'ECONNRESET') {
        return 0;
      }
      if (systemCodeOf(error) !== 'EINTR') {
        throw error;
      }
    }
  }
}

function writeAll(bytes: Buffer): void {
  let offset = 0;
  while (offset < bytes.length) {
    offset += writeSync(SOCKET_FD, bytes, offset);
  }
}
