// What kind of socket each inherited descriptor is. Runs in clavigerd, once, at a start with passed
// sockets. Node cannot find out: it has no getsockopt(2), gives null for the address of a socket it
// has not bound, and /proc/net/unix lists only the sockets of its own network namespace
// (PrivateNetwork=). So perl, which is Essential in Debian, is asked: by its full path, without an
// environment, and with the descriptors in question alone.

import { spawnSync } from 'node:child_process';
import { existsSync, fstatSync } from 'node:fs';
import { AppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';

/** By its full path: PATH belongs to whoever starts us. */
const PERL = '/usr/bin/perl';
const PERL_TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024;

/**
 * `3 unix stream listening 2f72756e2f53`: descriptor, domain, type, state, the path in hexadecimal.
 */
const SCRIPT = `
use strict;
use Socket;
for my $fd (@ARGV) {
  my $socket;
  my $address = open($socket, '+<&=', $fd) ? getsockname($socket) : undef;
  if (!defined $address) { print "$fd other\\n"; next; }
  my ($type, $listens) = map { unpack 'i', getsockopt($socket, SOL_SOCKET, $_) } SO_TYPE, SO_ACCEPTCONN;
  my $family = sockaddr_family($address);
  my $path = $family == AF_UNIX ? unpack('H*', substr($address, 2)) : '';
  my $domain = $family == AF_UNIX ? 'unix' : $family == AF_INET || $family == AF_INET6 ? 'internet' : 'other';
  my $kind = $type == SOCK_STREAM ? 'stream' : $type == SOCK_DGRAM ? 'datagram' : 'other';
  print join(' ', $fd, $domain, $kind, $listens ? 'listening' : 'open', $path), "\\n";
}
`;

const LINE =
  /^(\d+) (?:other|(unix|internet|other) (stream|datagram|other) (listening|open) ((?:[0-9a-f]{2})*))$/;

export type DescriptorKind =
  | { readonly kind: 'closed' }
  /** Open, and no socket. */
  | { readonly kind: 'no-socket' }
  | {
      readonly kind: 'socket';
      readonly domain: 'unix' | 'internet' | 'other';
      readonly type: 'stream' | 'datagram' | 'other';
      readonly isListening: boolean;
      /** Of a UNIX socket that is bound to a path: UTF-8, or with U+FFFD in it. */
      readonly path: string | undefined;
    };

/**
 * Looks at descriptors. Blocks for some 15 ms.
 * @returns for each descriptor what it is
 * @throws AppError SYS_SOCKET when they cannot be looked at
 */
export function descriptorKinds(fds: readonly number[]): ReadonlyMap<number, DescriptorKind> {
  const kinds = new Map<number, DescriptorKind>();
  const open = fds.filter(isOpen);
  for (const fd of fds.filter((each) => !open.includes(each))) {
    kinds.set(fd, { kind: 'closed' });
  }
  const output = open.length === 0 ? '' : runPerl(open);
  for (const line of output.split('\n').filter((each) => each !== '')) {
    const [, fd = '', domain, type, state, path = ''] = LINE.exec(line) ?? [];
    kinds.set(
      Number(fd),
      isDomain(domain) && isType(type)
        ? { kind: 'socket', domain, type, isListening: state === 'listening', path: pathOf(path) }
        : { kind: 'no-socket' },
    );
  }
  if (fds.some((fd) => !kinds.has(fd))) {
    throw failed('it told of other descriptors than it was asked about');
  }
  return kinds;
}

function runPerl(fds: readonly number[]): string {
  if (!existsSync(PERL)) {
    throw failed(`there is no ${PERL}`);
  }
  const inherited = Array.from({ length: Math.max(...fds) + 1 - 3 }, (_, at) =>
    fds.includes(at + 3) ? at + 3 : ('ignore' as const),
  );
  const { status, stdout, stderr, error } = spawnSync(PERL, ['-e', SCRIPT, ...fds.map(String)], {
    env: {},
    stdio: ['ignore', 'pipe', 'pipe', ...inherited],
    timeout: PERL_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MAX_OUTPUT_BYTES,
    encoding: 'utf8',
  });
  if (status !== 0) {
    const said = error === undefined ? printable(stderr.trim()) : messageOf(error);
    throw failed(said || `it ended with ${status ?? 'a signal'}`, error);
  }
  return stdout;
}

function failed(problem: string, cause?: unknown): AppError {
  return new AppError('SYS_SOCKET', `passed sockets: ${PERL} could not look at them: ${problem}`, {
    hint: 'install perl, or have the daemon bind its socket itself: disable the socket unit',
    cause,
  });
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

function isDomain(text: string | undefined): text is 'unix' | 'internet' | 'other' {
  return text === 'unix' || text === 'internet' || text === 'other';
}

function isType(text: string | undefined): text is 'stream' | 'datagram' | 'other' {
  return text === 'stream' || text === 'datagram' || text === 'other';
}

/**
 * Nothing for a socket without a name, and for an abstract one, whose name begins with NUL
 * (unix(7)).
 */
function pathOf(hex: string): string | undefined {
  const bytes = Buffer.from(hex, 'hex');
  const end = bytes.indexOf(0);
  const path = end === -1 ? bytes : bytes.subarray(0, end);
  return path.length === 0 ? undefined : path.toString('utf8');
}
