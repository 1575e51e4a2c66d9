// A daemon to which descriptors of any kind are passed, as systemd passes them. Used by test
// processes only. Node can make few of these; perl, which every Debian has, makes them all and then
// becomes the daemon.

import { join } from 'node:path';
import { startProcess, type RunningProcess } from '../process.js';
import { CLAVIGERD } from '../programs.js';
import type { Scope } from '../scope.js';
import type { SectionBed } from './daemon-sections.js';

/**
 * `web=stream:0660` makes a listening socket `web` with that mode in the folder, passed by that
 * name.
 */
export interface PassedDescriptor {
  readonly name: string;
  readonly kind:
    | 'stream'
    | 'datagram'
    | 'bound'
    | 'connected'
    | 'abstract'
    | 'tcp'
    | 'udp'
    | 'file'
    | 'pipe'
    | 'closed'
    | 'removed';
  /** Of a socket at a path; default 0600. */
  readonly mode?: string;
  /** Below the folder of the bed; default: the name. */
  readonly path?: string;
}

const SCRIPT = `
use strict; use Socket; use Fcntl; use POSIX (); $^F = 1000; umask 0;
my ($count, $names, $folder) = splice @ARGV, 0, 3;
my @keep;
for my $at (0 .. $count - 1) {
  my ($kind, $mode, $path) = split /:/, shift @ARGV; my $s;
  if ($kind =~ /^(stream|datagram|bound|removed)$/) {
    socket($s, AF_UNIX, $kind eq 'datagram' ? SOCK_DGRAM : SOCK_STREAM, 0) or die $!;
    unlink $path; bind($s, pack_sockaddr_un($path)) or die "$path: $!"; chmod oct $mode, $path;
    if ($kind =~ /^(stream|removed)$/) { listen($s, 5) or die $!; }
    if ($kind eq 'removed') { unlink $path; }
  } elsif ($kind eq 'abstract') {
    socket($s, AF_UNIX, SOCK_STREAM, 0) or die $!;
    bind($s, pack('Sa*', AF_UNIX, "\\0$path")) or die $!; listen($s, 5) or die $!;
  } elsif ($kind eq 'connected') { socketpair($s, my $t, AF_UNIX, SOCK_STREAM, 0) or die $!; push @keep, $t;
  } elsif ($kind eq 'tcp' || $kind eq 'udp') {
    socket($s, AF_INET, $kind eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM, 0) or die $!;
    bind($s, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die $!; if ($kind eq 'tcp') { listen($s, 5) or die $!; }
  } elsif ($kind eq 'file') { open($s, '+>', $path) or die $!;
  } elsif ($kind eq 'pipe') { pipe($s, my $t) or die $!; push @keep, $t; }
  push @keep, [3 + $at, $s];
}
# First out of the way of one another, then to their places.
my @moved = map { defined $_->[1] ? [$_->[0], fcntl($_->[1], F_DUPFD, 200)] : $_ } grep { ref $_ eq 'ARRAY' } @keep;
for (@moved) { POSIX::close($_->[0]); POSIX::dup2($_->[1], $_->[0]) if defined $_->[1]; }
%ENV = (%ENV, LISTEN_FDS => $count, LISTEN_PID => $$, LISTEN_FDNAMES => $names);
exec @ARGV or die $!;
`;

/** @param before words that go before the daemon's, `unshare --net` for instance. */
export async function startWithDescriptors(
  scope: Scope,
  bed: SectionBed,
  passed: readonly PassedDescriptor[],
  { before = [], args = [] }: { before?: readonly string[]; args?: readonly string[] } = {},
): Promise<RunningProcess> {
  const specs = passed.map(
    ({ name, kind, mode = '0600', path = name }) => `${kind}:${mode}:${join(bed.folder, path)}`,
  );
  const names = passed.map(({ name }) => name).join(':');
  const daemon = [...before, process.execPath, CLAVIGERD, `--config=${bed.config}`, ...args];
  const shape = [String(passed.length), names, bed.folder];
  return await startProcess(scope, {
    command: '/usr/bin/perl',
    args: ['-e', SCRIPT, ...shape, ...specs, ...daemon],
  });
}
