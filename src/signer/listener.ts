// The daemon's sockets: bound here with mode 0600, or passed by systemd. Runs in the daemon, once, at
// start. It never removes what is at a path: a stale socket is told apart from a living daemon's and
// left to the administrator.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { assertSocketPath, existingEntry } from '../sys/safe-path.js';

const SOCKET_UMASK = 0o177;
const PROBE_TIMEOUT_MS = 2000;

export type ConnectionHandler = (socket: Socket) => void;

export interface Listener {
  readonly server: Server;
  /** Accepts no more. Removes the socket we bound, and never what somebody put in its place. */
  stop(): void;
}

/**
 * Binds a UNIX socket of mode 0600.
 * @throws AppError SYS_SOCKET when the path exists or cannot be bound; SYS_UNSAFE_PATH when others
 *   could write its directory.
 */
export async function listenOnPath(
  path: string,
  userId: number,
  onConnection: ConnectionHandler,
): Promise<Listener> {
  assertSocketPath(path, userId);
  await assertFree(path);
  const server = newServer(onConnection);
  await started(server, path, () => {
    // Node binds inside listen(): there is no moment at which the socket has another mode.
    const previous = process.umask(SOCKET_UMASK);
    try {
      server.listen(path);
    } finally {
      process.umask(previous);
    }
  });
  const bound = existingEntry(path);
  return {
    server,
    stop(): void {
      const now = existingEntry(path);
      if (now === undefined || (now.ino === bound?.ino && now.dev === bound.dev)) {
        server.close(); // libuv removes what is at the path
      } else {
        server.unref(); // nobody can reach our socket any more; the path is another process's
      }
    },
  };
}

/**
 * Serves a listening socket that systemd passed. Its path is systemd's, and stays when we end.
 * @throws AppError SYS_SOCKET when the descriptor is no listening socket.
 */
export async function listenOnDescriptor(
  fd: number,
  onConnection: ConnectionHandler,
): Promise<Listener> {
  const server = newServer(onConnection);
  await started(server, `descriptor ${fd}`, () => {
    server.listen({ fd });
  });
  return {
    server,
    stop(): void {
      server.close();
    },
  };
}

function newServer(onConnection: ConnectionHandler): Server {
  // Half-open: a client may end its side and still read the answers to what it asked.
  return createServer({ allowHalfOpen: true }, onConnection);
}

function started(server: Server, name: string, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new AppError('SYS_SOCKET', `${name}: cannot listen: ${messageOf(error)}`, { cause: error }),
      );
    });
    server.once('listening', () => {
      resolve();
    });
    listen();
  });
}

async function assertFree(path: string): Promise<void> {
  const entry = existingEntry(path);
  if (entry === undefined) {
    return;
  }
  if (!entry.isSocket()) {
    throw new AppError('SYS_SOCKET', `${path}: exists, and is not a socket`, {
      hint: 'choose another path with --socket',
    });
  }
  if (await isAnswering(path)) {
    throw new AppError('SYS_SOCKET', `${path}: another process is listening there`, {
      hint: 'stop it first, or choose another path with --socket',
    });
  }
  throw new AppError('SYS_SOCKET', `${path}: a stale socket, nothing is listening there`, {
    hint: `a daemon that ended abnormally left it; remove it: rm ${path}`,
  });
}

/** True unless the kernel says that nobody listens. */
function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const finish = (answering: boolean): void => {
      socket.destroy();
      resolve(answering);
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => {
      finish(true);
    });
    socket.once('connect', () => {
      finish(true);
    });
    socket.once('error', (error) => {
      finish(systemCodeOf(error) !== 'ECONNREFUSED');
    });
  });
}
