// The daemon's life: key first, then sockets, clients until told to stop, then everything closed.
// Wires the parts together; decides nothing itself.

import { Duplex } from 'node:stream';
import type { ClavigerdConfig } from '../config/clavigerd-config.js';
import type { AccountKey } from '../keys/account-key.js';
import { formatGreeting } from '../protocol/greeting.js';
import type { Log } from '../sys/log.js';
import type { PassedSocket } from '../sys/systemd.js';
import { ConnectionPool } from './connection-pool.js';
import { FrontDesk } from './front-desk.js';
import type { KeySupply } from './key-supply.js';
import { listenOnDescriptor, listenOnPath, type Listener } from './listener.js';
import { SignatureRecord } from './signature-record.js';
import { SigningService } from './signing-service.js';

/** Time the requests in hand have after INT or TERM. */
const FINISH_MS = 5000;
/** Time a client has to close its side once we closed ours. */
const LINGER_MS = 2000;

export interface DaemonOptions {
  readonly config: ClavigerdConfig;
  readonly keys: KeySupply;
  /** Undefined while the token is away or locked: clients that come have it looked for. */
  readonly key: AccountKey | undefined;
  readonly log: Log;
  readonly userId: number;
  /** Resolves when the daemon is to stop, with what told it so. */
  readonly stopped: Promise<string>;
}

/** Serves clients on the configured socket, or on those passed by systemd, until stopped. */
export async function runDaemon(
  options: DaemonOptions,
  passedSockets: readonly PassedSocket[],
): Promise<void> {
  const { config, log, keys } = options;
  const desk = new FrontDesk({
    keys,
    log,
    maxWaiting: config.maxConnections,
    openPool: (key) => {
      logReady(options, key, passedSockets);
      return newPool(options, key, LINGER_MS);
    },
  });
  const onConnection = (socket: Duplex): void => {
    desk.add(socket);
  };
  const listeners: Listener[] = [];
  for (const { fd } of passedSockets) {
    listeners.push(await listenOnDescriptor(fd, onConnection));
  }
  if (config.socket !== undefined) {
    listeners.push(await listenOnPath(config.socket, options.userId, onConnection));
  }
  for (const { server } of listeners) {
    server.on('error', (error) => {
      log.error('accept-failed', { reason: error.message });
    });
  }
  if (options.key === undefined) {
    log.notice('waiting', { reason: 'the key is looked for again when a client comes' });
  } else {
    desk.open(options.key);
  }
  const reason = await options.stopped;
  log.notice('stopping', { reason });
  for (const listener of listeners) {
    listener.stop();
  }
  await desk.finish(FINISH_MS);
}

/** Serves one client on standard input and output, until it closes or the daemon is told to stop. */
export async function runStdio(
  options: DaemonOptions,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<void> {
  const key = options.key ?? (await options.keys.get());
  const pool = newPool(options, key, 0);
  pool.add(Duplex.from({ readable: input, writable: output }));
  logReady(options, key, []);
  await Promise.race([pool.whenEmpty(), options.stopped]);
  await pool.finish(FINISH_MS);
}

function newPool(
  { config, log }: DaemonOptions,
  key: AccountKey,
  lingerMs: number,
): ConnectionPool {
  const { algorithm, jwk } = key;
  const { keyId, allowHttpOnLoopback, lineTimeoutMs, idleTimeoutMs } = config;
  const service = new SigningService({
    key,
    policy: { algorithm, jwk, keyId, allowHttpOnLoopback, named: undefined, now: Date.now },
    record: new SignatureRecord(log),
    maxQueuedRequests: config.maxQueuedRequests,
  });
  const greeting = formatGreeting({ algorithm, jwk, keyId });
  return new ConnectionPool({
    settings: { greeting, service, log, lineTimeoutMs, idleTimeoutMs, lingerMs },
    maxConnections: config.maxConnections,
  });
}

function logReady(
  { config, log }: DaemonOptions,
  key: AccountKey,
  passed: readonly PassedSocket[],
): void {
  log.info('ready', {
    key: key.description,
    alg: key.algorithm,
    mode: config.keyId === undefined ? 'all-operations' : 'key-id-only',
    socket: config.socket ?? (passed.map((socket) => socket.name).join(',') || 'stdio'),
  });
}
