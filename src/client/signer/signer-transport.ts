// Connects to a signer: to its UNIX socket, or to a command that speaks the protocol over its
// standard input and output (ssh). Runs in claviger. A socket that other users could have put there
// is refused. The command comes from the configuration alone, and runs without a shell.

import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { statSync } from 'node:fs';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { AppError, messageOf, systemCodeOf } from '../../lib/errors.js';
import { assertSignerSocket, MAX_SOCKET_PATH_BYTES } from '../../sys/files/safe-path.js';
import { effectiveUserId } from '../../sys/user.js';

/**
 * Rights of others to read or write; execute rights mean nothing on a socket. Its group may have
 * them: that is how the signer's administrator lets a user connect, and to connect is not to be the
 * one who answers.
 */
const SOCKET_OPEN_TO_OTHERS = 0o006;
/** A command gets this long to exit after its input was closed. */
const CHILD_GRACE_MS = 2_000;

export interface SignerTransport {
  readonly readable: Readable;
  readonly writable: Writable;
  /** After the end of the signer's stream: the reason as far as it is known. */
  explainEnd(): Promise<string | undefined>;
  /** Closes the connection, and ends the command. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Checks the socket's mode and each folder of its path, then connects.
 * @throws AppError SYS_UNSAFE_PATH when others could be at the other end, SYS_SOCKET for a path
 *   that is no socket, CLIENT_SIGNER when nothing is there
 */
export async function connectSocket(path: string): Promise<SignerTransport> {
  assertSafeSocket(path);
  const socket = connect({ path });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) => {
      reject(
        new AppError('CLIENT_SIGNER', `signer: ${path}: ${messageOf(error)}`, {
          hint:
            systemCodeOf(error) === 'EACCES'
              ? 'the mode and the group of the socket, and its folder, do not let this user in'
              : 'is clavigerd running?',
          cause: error,
        }),
      );
    });
  });
  return {
    readable: socket,
    writable: socket,
    explainEnd: () => Promise.resolve(undefined),
    close: () => {
      socket.destroy();
      return Promise.resolve();
    },
  };
}

function assertSafeSocket(path: string): void {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new AppError('SYS_SOCKET', `${path}: the path is over ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  try {
    assertSignerSocket(path, effectiveUserId());
    const stats = statSync(path);
    if (!stats.isSocket()) {
      throw new AppError('SYS_SOCKET', `${path}: is not a socket`);
    }
    if ((stats.mode & SOCKET_OPEN_TO_OTHERS) !== 0) {
      throw new AppError(
        'SYS_UNSAFE_PATH',
        `insecure permissions on ${path}: everybody can have requests signed`,
        { hint: `chmod o-rw ${path}` },
      );
    }
  } catch (error) {
    if (error instanceof AppError) {
      throw error;
    }
    const isMissing = systemCodeOf(error) === 'ENOENT';
    throw new AppError('CLIENT_SIGNER', `signer: ${messageOf(error)}`, {
      hint: isMissing ? 'is clavigerd running? name its socket with --socket' : undefined,
      cause: error,
    });
  }
}

/**
 * Starts the command; its standard error is the user's, for ssh's own questions and complaints.
 * @throws AppError CLIENT_SIGNER when it cannot be started
 */
export async function spawnSigner(words: readonly [string, ...string[]]): Promise<SignerTransport> {
  const [program, ...args] = words;
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], shell: false });
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (status, signal) => {
      resolve(
        signal === null
          ? `${program} exited with status ${status ?? 'unknown'}`
          : `${program} was ended by ${signal}`,
      );
    });
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      reject(
        new AppError(
          'CLIENT_SIGNER',
          `signer: ${program}: cannot be started: ${messageOf(error)}`,
          {
            hint: 'check --signer-command; it is run without a shell',
            cause: error,
          },
        ),
      );
    });
  });
  return {
    readable: child.stdout,
    writable: child.stdin,
    explainEnd: () => Promise.race([exited, after(CHILD_GRACE_MS)]),
    close: () => closeChild(child, exited),
  };
}

async function closeChild(
  child: ChildProcessByStdio<Writable, Readable, null>,
  exited: Promise<string>,
): Promise<void> {
  child.stdin.end();
  child.stdout.destroy();
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if ((await Promise.race([exited, after(CHILD_GRACE_MS)])) !== undefined) {
      return;
    }
    child.kill(signal);
  }
  await exited;
}

/** Resolves to undefined later; never keeps the process alive. */
function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms, undefined).unref();
  });
}
