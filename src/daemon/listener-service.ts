// One listener of the daemon: its sockets, and the clients that wait there for the key of its
// account. Runs in the daemon. What its clients may use is in its configuration, and in nothing
// they say.

import type { Duplex } from 'node:stream';
import type { ClavigerdConfig } from '../config/daemon/config.js';
import type { AccountConfig } from '../config/daemon/account-settings.js';
import type { ListenConfig } from '../config/daemon/listen-settings.js';
import type { AccountKey } from '../keys/account-key.js';
import type { NamedPolicy } from '../policy/named-policy.js';
import { formatGreeting } from '../protocol/greeting.js';
import type { Log } from '../sys/log.js';
import type { PassedSocket } from '../sys/systemd.js';
import type { AuditLog } from '../audit/audit-log.js';
import { BudgetGate } from './budget-gate.js';
import type { BudgetLedger } from '../budgets/ledger.js';
import { ConnectionLines } from './connection-lines.js';
import { ConnectionPool } from './connection-pool.js';
import { DecisionRecord } from './decision-record.js';
import { PendingClients } from './pending-clients.js';
import type { LazyKey } from './lazy-key.js';
import { listenOnDescriptor, listenOnPath, type Listener } from './listener.js';
import { limitPlaces, RequestPlaces } from './request-places.js';
import type { RefusalRegister } from './refusals/register.js';
import { SigningService } from './signing-service.js';
import type { TurnScheduler } from './turn-scheduler.js';

/** Time a client has to close its side once we closed ours; a pipe does not tell. */
const LINGER_MS = 2000;

export interface ListenerServiceOptions {
  readonly config: Pick<ClavigerdConfig, 'allowHttpOnLoopback' | 'hasListenSections'>;
  readonly listen: ListenConfig;
  readonly account: AccountConfig;
  /** The policy that `listen` names. */
  readonly named: NamedPolicy | undefined;
  readonly keys: LazyKey;
  readonly log: Log;
  /** Undefined where none is configured: the log then has the records. */
  readonly audit: AuditLog | undefined;
  readonly refusals: RefusalRegister;
  /** Undefined where no policy that is used has a budget. */
  readonly ledger: BudgetLedger | undefined;
  readonly userId: number;
  /** The one of the daemon. */
  readonly scheduler: TurnScheduler;
  /** Of the daemon, all in all: they share the memory for requests that wait. */
  readonly listenerCount: number;
}

export class ListenerService {
  readonly #options: ListenerServiceOptions;
  readonly #lines: ConnectionLines;
  readonly #pending: PendingClients;
  readonly #listeners: Listener[] = [];
  /** Paths of sockets, names of passed ones. */
  readonly #where: string[] = [];
  #opening: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: ListenerServiceOptions) {
    this.#options = options;
    this.#lines = new ConnectionLines(options.log, this.#shownName);
    options.refusals.add(() => {
      this.#lines.flush();
    });
    this.#pending = new PendingClients({
      keys: options.keys,
      lines: this.#lines,
      maxWaiting: options.listen.maxConnections,
      openPool: (key) => this.#openPool(key),
    });
  }

  /**
   * Listens; clients are taken in from here on, and greeted if the key is known. Does nothing once
   * stopped.
   * @throws AppError SYS_SOCKET, SYS_UNSAFE_PATH
   */
  async open(passedSockets: readonly PassedSocket[], key: AccountKey | undefined): Promise<void> {
    const opening = this.#open(passedSockets, key);
    this.#opening = opening.catch(() => undefined);
    await opening;
  }

  /** The key is known: whoever comes is greeted, and gets what the pool says. */
  greetWith(key: AccountKey): ConnectionPool {
    return this.#pending.open(key);
  }

  /** Listens no more. */
  stop(): void {
    this.#isStopped = true;
    for (const listener of this.#listeners) {
      listener.stop();
    }
  }

  /** Lets every client have the answers it waits for; after `graceMs` the rest is cut off. */
  async finish(graceMs: number): Promise<void> {
    await this.#opening; // a socket just being bound is removed before the daemon ends
    await this.#pending.finish(graceMs);
  }

  async #open(passedSockets: readonly PassedSocket[], key: AccountKey | undefined): Promise<void> {
    const { listen, userId } = this.#options;
    const { place } = listen;
    const onConnection = (socket: Duplex): void => {
      this.#pending.add(socket);
    };
    if (place.kind === 'socket' && !this.#isStopped) {
      this.#where.push(place.path);
      this.#keep(await listenOnPath(place.path, userId, place, onConnection));
    }
    for (const { fd, name } of this.#own(passedSockets)) {
      if (!this.#isStopped) {
        this.#where.push(name);
        this.#keep(await listenOnDescriptor(fd, onConnection));
      }
    }
    if (key !== undefined && !this.#isStopped) {
      this.greetWith(key);
    }
  }

  /** For the log, where there is more than one. */
  get #shownName(): string | undefined {
    return this.#isOneOfMany ? this.#options.listen.name : undefined;
  }

  /** Else connections have plain numbers. */
  get #isOneOfMany(): boolean {
    return this.#options.listenerCount > 1;
  }

  #own(passedSockets: readonly PassedSocket[]): readonly PassedSocket[] {
    const { place } = this.#options.listen;
    if (place.kind !== 'descriptor') {
      return [];
    }
    return passedSockets.filter(({ name }) => place.name === undefined || place.name === name);
  }

  /** One that began to listen when we were told to stop is not kept. */
  #keep(listener: Listener): void {
    if (this.#isStopped) {
      listener.stop();
      return;
    }
    this.#listeners.push(listener);
    listener.server.on('error', (error) => {
      this.#lines.acceptFailed(error.message);
    });
  }

  #openPool(key: AccountKey): ConnectionPool {
    const {
      config,
      listen,
      account,
      named,
      log,
      audit,
      refusals,
      ledger,
      scheduler,
      listenerCount,
    } = this.#options;
    const { algorithm, jwk } = key;
    const { keyId } = account;
    const { allowHttpOnLoopback } = config;
    const { lineTimeoutMs, idleTimeoutMs, maxConnections, maxQueuedRequests } = listen;
    const scope = { account: account.name, listener: listen.name, policy: named?.name };
    const service = new SigningService({
      key,
      policy: { algorithm, jwk, keyId, allowHttpOnLoopback, named, now: Date.now },
      record: new DecisionRecord(log, audit, scope, refusals),
      budgets: new BudgetGate(ledger, scope),
    });
    const greeting = formatGreeting({ algorithm, jwk, keyId });
    const lingerMs = listen.place.kind === 'stdio' ? 0 : LINGER_MS;
    const placeTimeoutMs = account.signTimeoutMs;
    const clocks = { lineTimeoutMs, idleTimeoutMs, placeTimeoutMs, lingerMs };
    const places = new RequestPlaces(limitPlaces(maxQueuedRequests, listenerCount));
    this.#logReady(key);
    return new ConnectionPool({
      settings: { greeting, service, places, scheduler, lines: this.#lines, clocks },
      maxConnections,
      account: account.name,
      listener: listen.name,
      isOneOfMany: this.#isOneOfMany,
    });
  }

  #logReady(key: AccountKey): void {
    const { config, listen, account, log } = this.#options;
    const isNamed = config.hasListenSections;
    log.info('ready', {
      listener: isNamed ? listen.name : undefined,
      account: isNamed ? listen.account : undefined,
      key: key.description,
      alg: key.algorithm,
      mode: account.keyId === undefined ? 'all-operations' : 'key-id-only',
      policy: listen.policy,
      socket: this.#where.join(',') || 'stdio',
    });
  }
}
