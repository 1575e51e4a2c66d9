// What serves one `[[listen]]` section: its sockets, its clients, and the signing service of its
// account and policy. Runs in clavigerd. Account and policy come from the configuration; nothing
// that a client sends can select another one.

import type { Duplex } from 'node:stream';
import type { ClavigerdConfig } from '../config/daemon/config.js';
import type { AccountConfig } from '../config/daemon/account-settings.js';
import type { ListenConfig } from '../config/daemon/listen-settings.js';
import type { AccountKey } from '../keys/account-key.js';
import type { NamedPolicy } from '../policy/named-policy.js';
import { formatGreeting } from '../protocol/greeting.js';
import { systemTimers, type Timers } from '../lib/timers.js';
import type { Log } from '../sys/log.js';
import type { PassedSocket } from '../sys/systemd.js';
import type { AuditLog } from '../audit/audit-log.js';
import { BudgetGate } from './budget-gate.js';
import type { BudgetLedger } from '../budgets/ledger.js';
import { ConnectionLog } from './connection-log.js';
import { ConnectionPool } from './connection-pool.js';
import { DecisionRecord } from './decision-record.js';
import { PendingClients } from './pending-clients.js';
import type { LazyKey } from './lazy-key.js';
import { listenOnDescriptor, listenOnPath, type Listener } from './listener.js';
import { limitPlaces, RequestPlaces } from './request-places.js';
import type { RefusalRegister } from './refusals/register.js';
import { SigningService } from './signing-service.js';
import type { TurnScheduler } from './turn-scheduler.js';

/** Time a client has to close its side once we closed ours; a pipe does not show it. */
const LINGER_MS = 2000;

interface ListenerServiceOptions {
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
  /** Number of listeners of the daemon, which share the memory for requests that wait. */
  readonly listenerCount: number;
  readonly timers?: Timers;
}

export class ListenerService {
  readonly #options: ListenerServiceOptions;
  readonly #timers: Timers;
  readonly #connectionLog: ConnectionLog;
  readonly #pending: PendingClients;
  readonly #listeners: Listener[] = [];
  /** Paths of sockets, names of passed ones. */
  readonly #where: string[] = [];
  #opening: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: ListenerServiceOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#connectionLog = new ConnectionLog({
      log: options.log,
      listener: this.#shownName,
      timers: this.#timers,
    });
    options.refusals.add(() => {
      this.#connectionLog.flush();
    });
    this.#pending = new PendingClients({
      keys: options.keys,
      connectionLog: this.#connectionLog,
      maxWaiting: options.listen.maxConnections,
      openPool: (key) => this.#openPool(key),
    });
  }

  /**
   * Listens; clients are accepted from here on, and greeted if the key is known. Does nothing once
   * stopped.
   * @throws AppError SYS_SOCKET, SYS_UNSAFE_PATH
   */
  async open(passedSockets: readonly PassedSocket[], key: AccountKey | undefined): Promise<void> {
    const opening = this.#open(passedSockets, key);
    this.#opening = opening.catch(() => undefined);
    await opening;
  }

  /** The key is known: clients are greeted from now on. */
  greetWith(key: AccountKey): ConnectionPool {
    return this.#pending.open(key);
  }

  /** Stops listening. */
  stop(): void {
    this.#isStopped = true;
    for (const listener of this.#listeners) {
      listener.stop();
    }
  }

  /** Answers what is in hand; connections that are open after `graceMs` are destroyed. */
  async finish(graceMs: number): Promise<void> {
    await this.#opening; // so that a socket that is being bound is removed before the daemon ends
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

  /** The listener's name for the log, where there is more than one listener. */
  get #shownName(): string | undefined {
    return this.#isOneOfMany ? this.#options.listen.name : undefined;
  }

  /** True: connections are named after their listener, else by number alone. */
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

  /** One that began to listen after `stop` is stopped too. */
  #keep(listener: Listener): void {
    if (this.#isStopped) {
      listener.stop();
      return;
    }
    this.#listeners.push(listener);
    listener.server.on('error', (error) => {
      this.#connectionLog.acceptFailed(error.message);
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
      settings: {
        ...{ greeting, service, places, scheduler, clocks },
        connectionLog: this.#connectionLog,
        timers: this.#timers,
      },
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
