// The daemon's sockets: bound here, for the owner alone at first, or passed by systemd. Runs in
// clavigerd, at start. It never removes what is at a path: a stale socket is distinguished from the
// socket of a running daemon, and both are left to the administrator.

import { chmodSync, lchownSync, type Stats } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { AppError, messageOf, systemCodeOf } from '../lib/errors.js';
import { READ_BYTES } from './connection.js';
import { withSmallReads } from '../sys/accepted-socket.js';
import { assertSocketPath, existingEntry } from '../sys/files/safe-path.js';

const SOCKET_UMASK = 0o177;
const BOUND_MODE = 0o600;
const PERMISSION_BITS = 0o7777;
/** (uid_t)-1, chown(2) */
const SAME_OWNER = -1;
const PROBE_TIMEOUT_MS = 2000;

type ConnectionHandler = (socket: Socket) => void;

export interface Listener {
  readonly server: Server;
  /**
   * Stops listening. Removes the socket that was bound here, and never another file in its place.
   */
  stop(): void;
}

interface SocketRights {
  /** Permission bits; others never get any. */
  readonly mode: number;
  /** Undefined leaves the group as the kernel sets it. */
  readonly groupId: number | undefined;
}

/**
 * Binds a UNIX socket. Until its mode and group are set, only its owner can connect.
 * @throws AppError SYS_SOCKET when the path exists, cannot be bound or cannot have these rights;
 *   SYS_UNSAFE_PATH when others could write its directory.
 */
export async function listenOnPath(
  path: string,
  userId: number,
  rights: SocketRights,
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
  try {
    setRights(path, rights);
  } catch (error) {
    server.close();
    throw error;
  }
  const bound = existingEntry(path);
  return {
    server,
    stop(): void {
      if (isFreeOrOurs(path, bound)) {
        server.close(); // libuv removes what is at the path
      } else {
        server.unref(); // nobody can reach our socket any more; the path is another process's
      }
    },
  };
}

/**
 * False for a path that cannot be looked at: an error here must not keep other listeners from
 * stopping.
 */
function isFreeOrOurs(path: string, bound: Stats | undefined): boolean {
  try {
    const now = existingEntry(path);
    return now === undefined || (now.ino === bound?.ino && now.dev === bound.dev);
  } catch {
    return false;
  }
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

/** Sets the group first: the mode must not admit the group that the kernel chose. */
function setRights(path: string, { mode, groupId }: SocketRights): void {
  try {
    if (groupId !== undefined) {
      lchownSync(path, SAME_OWNER, groupId);
    }
    if (mode !== BOUND_MODE) {
      chmodSync(path, mode);
    }
  } catch (error) {
    throw new AppError('SYS_SOCKET', `${path}: cannot set mode and group: ${messageOf(error)}`, {
      hint: 'only root, and a member of the group, can give a socket to a group',
      cause: error,
    });
  }
  const bound = existingEntry(path);
  const isInGroup = groupId === undefined || bound?.gid === groupId;
  if (bound === undefined || (bound.mode & PERMISSION_BITS) !== mode || !isInGroup) {
    throw new AppError('SYS_SOCKET', `${path}: the socket did not take its mode and group`, {
      hint: 'put it in another file system',
    });
  }
}

function newServer(onConnection: ConnectionHandler): Server {
  // Half-open: a client may end its side and still read the answers to its requests.
  return createServer({ allowHalfOpen: true }, (accepted) => {
    onConnection(withSmallReads(accepted, READ_BYTES));
  });
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
