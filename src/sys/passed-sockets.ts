// Checks the sockets that systemd passes before one is served: whoever can connect may have
// requests signed, and SocketMode= is 0666 unless the unit says otherwise. Runs in clavigerd, at
// start. No setting overrides a refusal.

import type { Stats } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import { RESERVED_DESCRIPTOR } from '../lib/descriptor-names.js';
import { AppError } from '../lib/errors.js';
import { descriptorKinds, type DescriptorKind } from './descriptor-kinds.js';
import { assertPrivateDirectory, existingEntry } from './files/safe-path.js';
import type { PassedSocket } from './systemd.js';

/** connect(2) asks for it (unix(7)). */
const WRITABLE_BY_EVERYBODY = 0o002;
const PERMISSION_BITS = 0o777;

/** Those that are for clients: the reserved name is never served. */
export function servedSockets(passed: readonly PassedSocket[]): readonly PassedSocket[] {
  return passed.filter(({ name }) => name !== RESERVED_DESCRIPTOR);
}

/**
 * Checks that each is a listening UNIX stream socket at a path where nobody else could put another
 * one, and that it is not open to everybody. Blocks for some 15 ms.
 * @throws AppError CONFIG_INVALID, SYS_UNSAFE_PATH, SYS_PATH; SYS_SOCKET when they cannot be looked
 *   at
 */
export function assertPassedSockets(passed: readonly PassedSocket[], userId: number): void {
  const kinds = descriptorKinds(passed.map(({ fd }) => fd));
  for (const socket of passed) {
    const what = `${JSON.stringify(socket.name)} (descriptor ${socket.fd})`;
    const kind = kinds.get(socket.fd) ?? { kind: 'closed' };
    if (socket.name === RESERVED_DESCRIPTOR) {
      refuseListening(what, kind);
    } else {
      assertServable(what, kind, userId);
    }
  }
}

/** A client that connected to it would wait without end. */
function refuseListening(what: string, kind: DescriptorKind): void {
  if (kind.kind === 'socket' && kind.isListening) {
    throw refused(what, 'the name is reserved, and a socket of that name is never served', {
      hint: 'give it another FileDescriptorName= in its socket unit',
    });
  }
}

function assertServable(what: string, kind: DescriptorKind, userId: number): void {
  const problem = problemOf(kind);
  const path = kind.kind === 'socket' ? kind.path : undefined;
  if (problem !== undefined || path === undefined) {
    const wanted = 'only listening UNIX stream sockets with a path are served';
    throw refused(what, `${problem ?? 'a socket without a path'}: ${wanted}`, {
      hint: 'ListenStream= of its socket unit has to be an absolute path, and Accept= no',
    });
  }
  assertPrivateDirectory(dirname(path), userId);
  const entry = existingEntry(path);
  if (entry?.isSocket() !== true) {
    const found = entry === undefined ? 'nothing' : 'something else';
    throw refused(what, `${found} is at ${path}, so who may connect is not known`, {
      hint: 'the daemon has to see the socket: no PrivateTmp= for one below /tmp, no ProtectHome= for one below /home',
    });
  }
  assertClosedToOthers(what, path, entry);
}

function problemOf(kind: DescriptorKind): string | undefined {
  if (kind.kind !== 'socket') {
    return kind.kind === 'closed' ? 'it is not open' : 'no socket';
  }
  const { domain, type, isListening, path } = kind;
  if (domain !== 'unix') {
    return domain === 'internet' ? 'a socket of the network' : 'a socket of another kind';
  }
  if (type !== 'stream') {
    return 'no stream socket';
  }
  if (!isListening) {
    return 'a socket that does not listen';
  }
  if (path === undefined) {
    return 'a socket without a path, which has no mode';
  }
  return isAbsolute(path) ? undefined : 'a socket whose path is not absolute';
}

function assertClosedToOthers(what: string, path: string, { mode }: Stats): void {
  if ((mode & WRITABLE_BY_EVERYBODY) !== 0) {
    const shown = (mode & PERMISSION_BITS).toString(8).padStart(4, '0');
    throw new AppError(
      'SYS_UNSAFE_PATH',
      `systemd passed ${what}: ${path} has mode ${shown}: everybody could have requests signed`,
      {
        hint: 'its socket unit needs SocketMode=0600, or SocketMode=0660 and SocketGroup=; then restart that unit',
      },
    );
  }
}

function refused(what: string, problem: string, { hint }: { readonly hint: string }): AppError {
  return new AppError('CONFIG_INVALID', `systemd passed ${what}: ${problem}`, { hint });
}
