// Where the daemon listens, and for whom: the [[listen]] sections, or the one socket without them.
// Pure. A restriction that could not be applied (the mode of a socket that systemd made) is refused
// here.

import { basename } from 'node:path';
import { RESERVED_DESCRIPTOR } from '../../lib/descriptor-names.js';
import { DEFAULT_ACCOUNT } from './account-settings.js';
import { listenSchema, type ListenSettings, type Settings } from './schema.js';
import type { SettingReader } from '../setting-reader.js';
import { inMs } from '../setting-types.js';

const DEFAULT_SOCKET_MODE = 0o600;
const GROUP_BITS = 0o070;
/** Of a socket whose path cannot be read, for which there is a problem in the list. */
const NO_PATH = '';

export type ListenPlace =
  | SocketPlace
  /** The sockets of that name that systemd passed; undefined for all that it passed. */
  | { readonly kind: 'descriptor'; readonly name: string | undefined }
  | { readonly kind: 'stdio' };

interface SocketPlace {
  readonly kind: 'socket';
  readonly path: string;
  readonly mode: number;
  /** As it is written, and its number; undefined leaves the group as the kernel sets it. */
  readonly group: string | undefined;
  readonly groupId: number | undefined;
}

export interface ListenLimits {
  readonly lineTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
  readonly maxQueuedRequests: number;
}

/** One listener: a place, and what those who come there may use. */
export interface ListenConfig extends ListenLimits {
  /** Unique; records and budgets go by it. */
  readonly name: string;
  readonly place: ListenPlace;
  readonly account: string;
  /** Its own policy, else that of its account. */
  readonly policy: string | undefined;
}

/** How the daemon is being started. */
export type Start =
  | { readonly kind: 'stdio' }
  /** The names of the sockets that systemd passed; none, mostly. */
  | { readonly kind: 'sockets'; readonly passed: readonly string[] };

interface ListenContext {
  readonly limits: ListenLimits;
  /** The policy of an account; undefined when it has none. */
  readonly policyOfAccount: (account: string) => string | undefined;
  /** @returns undefined for an unknown group */
  readonly groupIdOf: (group: string) => number | undefined;
}

/** The sections. They may be more than are served: with --stdio that is the `stdio` one alone. */
export function readListeners(
  reader: SettingReader,
  sections: readonly Readonly<Record<string, unknown>>[],
  context: ListenContext,
): readonly ListenConfig[] {
  const listeners = sections.map((section, at) => {
    const own = reader.in(`listen.${at}`);
    return readListener(own, own.check(section, listenSchema), context);
  });
  refuseDoubles(reader, listeners);
  return listeners;
}

/** What is listened on without sections: everything that was passed, or one socket of mode 0600. */
export function lonePlace(path: string, start: Start | undefined): ListenPlace {
  if (start?.kind === 'stdio') {
    return { kind: 'stdio' };
  }
  return start === undefined || start.passed.length === 0
    ? { kind: 'socket', path, mode: DEFAULT_SOCKET_MODE, group: undefined, groupId: undefined }
    : { kind: 'descriptor', name: undefined };
}

/** The limits a section sets, and the others from where it has them. */
export function readLimits(
  settings: Settings | ListenSettings,
  fallback: ListenLimits,
): ListenLimits {
  return {
    lineTimeoutMs: inMs(settings['line-timeout']) ?? fallback.lineTimeoutMs,
    idleTimeoutMs: inMs(settings['idle-timeout']) ?? fallback.idleTimeoutMs,
    maxConnections: settings['max-connections'] ?? fallback.maxConnections,
    maxQueuedRequests: settings['max-queued-requests'] ?? fallback.maxQueuedRequests,
  };
}

/** What a place is called unless it is named: always a name that a section could have. */
export function nameOfPlace(place: ListenPlace): string {
  const text =
    place.kind === 'socket'
      ? basename(place.path)
      : place.kind === 'descriptor'
        ? (place.name ?? 'systemd')
        : 'stdio';
  return text.replaceAll(/[^A-Za-z0-9._@+-]/g, '_').slice(0, 64) || 'socket';
}

/** Sockets that were passed and that no section takes, and sections whose socket was not passed. */
export function refuseMisfits(
  reader: SettingReader,
  listeners: readonly ListenConfig[],
  start: Start | undefined,
): void {
  const has = (kind: ListenPlace['kind']): boolean =>
    listeners.some(({ place }) => place.kind === kind);
  if (start?.kind === 'stdio') {
    if (!has('stdio')) {
      reader.refuse('listen', '--stdio needs a section with stdio = true');
    }
    return;
  }
  if (start === undefined) {
    return; // nothing is served, so nothing can have been passed
  }
  if (!has('socket') && !has('descriptor')) {
    reader.refuse('listen', 'there is nothing but stdio, which is served with --stdio alone');
  }
  const wanted = listeners.map(({ place }) =>
    place.kind === 'descriptor' ? place.name : undefined,
  );
  for (const [at, name] of wanted.entries()) {
    if (name !== undefined && !start.passed.includes(name)) {
      const shown = JSON.stringify(name);
      reader.refuse(`listen.${at}.descriptor`, `systemd passed no socket of the name ${shown}`);
    }
  }
  for (const name of new Set(start.passed)) {
    if (!wanted.includes(name)) {
      const shown = JSON.stringify(name);
      reader.refuse('listen', `systemd passed the socket ${shown}, which no section names`);
    }
  }
}

function readListener(
  reader: SettingReader,
  settings: ListenSettings,
  context: ListenContext,
): ListenConfig {
  const place = readPlace(reader, settings, context);
  const account = settings.account ?? DEFAULT_ACCOUNT;
  return {
    name: settings.name ?? nameOfPlace(place),
    place,
    account,
    policy: settings.policy ?? context.policyOfAccount(account),
    ...readLimits(settings, context.limits),
  };
}

function readPlace(
  reader: SettingReader,
  settings: ListenSettings,
  context: ListenContext,
): ListenPlace {
  const { socket, descriptor, stdio } = settings;
  const named = [socket, descriptor, stdio].filter((place) => place !== undefined);
  if (named.length !== 1) {
    reader.refuseSection('needs one of socket, descriptor and stdio, and only one');
  }
  if (descriptor === undefined && stdio === undefined) {
    return readSocket(reader, socket, settings, context);
  }
  if (descriptor === RESERVED_DESCRIPTOR) {
    reader.refuse('descriptor', `${JSON.stringify(descriptor)} is reserved, and never served`);
  }
  const problem = 'is for a socket that the daemon binds itself';
  const hint = descriptor === undefined ? '' : '; systemd has SocketMode= and SocketGroup=';
  for (const key of ['mode', 'group'] as const) {
    if (settings[key] !== undefined) {
      reader.refuse(key, `${problem}${hint}`);
    }
  }
  return descriptor === undefined ? { kind: 'stdio' } : { kind: 'descriptor', name: descriptor };
}

function readSocket(
  reader: SettingReader,
  socket: string | undefined,
  settings: ListenSettings,
  { groupIdOf }: ListenContext,
): SocketPlace {
  const mode = settings.mode === undefined ? DEFAULT_SOCKET_MODE : parseInt(settings.mode, 8);
  const group = settings.group === undefined ? undefined : String(settings.group);
  const groupId = group === undefined ? undefined : groupIdOf(group);
  if (group !== undefined && groupId === undefined) {
    reader.refuse(
      'group',
      `there is no group ${JSON.stringify(group)} in /etc/group; others go by number`,
    );
  }
  if (group !== undefined && (mode & GROUP_BITS) === 0) {
    reader.refuse('group', 'gets nothing from this mode: mode = "0660" lets it in');
  }
  const path = socket === undefined ? NO_PATH : reader.path('socket', socket);
  return { kind: 'socket', path, mode, group, groupId };
}

/** Two of one name would be one in every record, and two at one place cannot be. */
function refuseDoubles(reader: SettingReader, listeners: readonly ListenConfig[]): void {
  for (const [at, { name, place }] of listeners.entries()) {
    const before = isUnread(place) ? [] : listeners.slice(0, at);
    if (before.some((other) => other.name === name)) {
      reader.refuse(`listen.${at}.name`, `${JSON.stringify(name)} is taken by a section before`);
    }
    if (before.some((other) => isSamePlace(other.place, place))) {
      reader.refuse(`listen.${at}.${place.kind}`, 'is taken by a section before');
    }
  }
}

function isUnread(place: ListenPlace): boolean {
  return place.kind === 'socket' && place.path === NO_PATH;
}

function isSamePlace(one: ListenPlace, other: ListenPlace): boolean {
  switch (one.kind) {
    case 'socket':
      return other.kind === 'socket' && one.path === other.path;
    case 'descriptor':
      return other.kind === 'descriptor' && one.name === other.name;
    case 'stdio':
      return other.kind === 'stdio';
  }
}
