// The daemon from its start to its end: opens the listeners of each account when the key of the
// account is known, serves clients until a signal, then closes everything. Runs in clavigerd. It
// connects the parts and makes no decision on a request.

import { performance } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import type { AccountConfig } from '../config/daemon/account-settings.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { ClavigerdConfig } from '../config/daemon/config.js';
import type { ListenConfig } from '../config/daemon/listen-settings.js';
import type { AccountKey } from '../keys/account-key.js';
import { isPkcs11Uri } from '../keys/pkcs11/uri.js';
import { AppError } from '../lib/errors.js';
import type { NamedPolicy } from '../policy/named-policy.js';
import { descriptorLimit, openDescriptorCount } from '../sys/descriptor-limit.js';
import type { Log } from '../sys/log.js';
import type { PassedSocket } from '../sys/systemd.js';
import { keepYoungGenerationSmall } from '../sys/heap-limit.js';
import type { BudgetLedger } from '../budgets/ledger.js';
import { shareDescriptors } from './descriptor-shares.js';
import type { RefusalRegister } from './refusals/register.js';
import type { LazyKey } from './lazy-key.js';
import { ListenerService } from './listener-service.js';
import { TurnScheduler } from './turn-scheduler.js';

/** Time the requests in hand have after INT or TERM. */
const FINISH_MS = 5000;
/** The most that a profile of a module has; known from the module only when it is opened. */
const DEFAULT_HELPERS = 2;

/** An account that at least one listener serves. */
export interface ServedAccount {
  readonly account: AccountConfig;
  readonly listeners: readonly ListenConfig[];
  readonly keys: LazyKey;
  /**
   * The key; undefined while the token is away or locked: it is then opened when a client connects.
   */
  readonly opening: Promise<AccountKey | undefined>;
}

interface DaemonOptions {
  readonly config: ClavigerdConfig;
  /** By name. */
  readonly policies: ReadonlyMap<string, NamedPolicy>;
  readonly accounts: readonly ServedAccount[];
  readonly log: Log;
  readonly audit: AuditLog | undefined;
  readonly refusals: RefusalRegister;
  readonly ledger: BudgetLedger | undefined;
  readonly userId: number;
  /** Resolves when the daemon is to stop, with the reason. */
  readonly stopped: Promise<string>;
}

/**
 * Serves clients on the configured sockets and on those passed by systemd, until stopped. An
 * account whose key takes long delays its own clients alone.
 * @throws AppError when the key of an account cannot be opened, for a reason that is not temporary,
 *   or a socket cannot be listened on; clients of other accounts then get the answers they wait for
 */
export async function runDaemon(
  options: DaemonOptions,
  passedSockets: readonly PassedSocket[],
): Promise<void> {
  const { log, stopped } = options;
  keepYoungGenerationSmall();
  const accounts = withinDescriptors(options);
  const scheduler = newScheduler();
  const services = accounts.map((served) => servicesOf(options, served, scheduler));
  const started = Promise.all(
    accounts.map(async (served, at) => {
      await serveAccount(options, served, services[at] ?? [], passedSockets);
    }),
  );
  try {
    const reason = await Promise.race([stopped, started.then(() => stopped)]);
    log.notice('stopping', { reason });
  } finally {
    const all = services.flat();
    for (const service of all) {
      service.stop();
    }
    await Promise.all(all.map((service) => service.finish(FINISH_MS)));
  }
}

/** Serves one client on standard input and output, until it closes or the daemon is to stop. */
export async function runStdio(
  options: DaemonOptions,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<void> {
  const { accounts, log, stopped } = options;
  const [served] = accounts;
  const [service] = served === undefined ? [] : servicesOf(options, served, newScheduler());
  if (served === undefined || service === undefined) {
    return; // the configuration was checked for it
  }
  const opening = served.opening.then((key) => key ?? served.keys.get());
  const key = await Promise.race([opening, stopped.then(() => undefined)]);
  if (key === undefined) {
    log.notice('stopping', { reason: await stopped });
    return;
  }
  const pool = service.greetWith(key);
  pool.add(Duplex.from({ readable: input, writable: output }));
  await Promise.race([pool.whenEmpty(), stopped]);
  await pool.finish(FINISH_MS);
}

async function serveAccount(
  { accounts, log }: DaemonOptions,
  { account, opening }: ServedAccount,
  services: readonly ListenerService[],
  passedSockets: readonly PassedSocket[],
): Promise<void> {
  const key = await opening;
  for (const service of services) {
    await service.open(passedSockets, key);
  }
  if (key === undefined) {
    log.notice('waiting', {
      account: accounts.length > 1 ? account.name : undefined,
      reason: 'the key is looked for again when a client comes',
    });
  }
}

/**
 * The accounts, with `max-connections` of their listeners lowered to what the descriptors allow.
 */
function withinDescriptors({ accounts, log }: DaemonOptions): readonly ServedAccount[] {
  const limit = descriptorLimit();
  const listeners = accounts.flatMap((served) => served.listeners);
  const connections = listeners.map(({ maxConnections }) => maxConnections);
  if (limit === undefined) {
    return accounts;
  }
  const helpers = accounts.reduce((sum, { account }) => sum + helpersOf(account), 0);
  const demand = { limit, open: openDescriptorCount(), helpers, connections };
  const shares = new Map(shareDescriptors(demand).map((share, at) => [listeners[at], share]));
  const cut = listeners.filter((listen) => shares.get(listen) !== listen.maxConnections);
  if (cut.length > 0) {
    const sum = connections.reduce((total, each) => total + each, 0);
    const shown = cut.map((listen) => `${listen.name} ${shares.get(listen) ?? 0}`).join(', ');
    log.warning('descriptors', {
      message: `max-connections of all listeners are ${sum}, more than ${limit} open files (RLIMIT_NOFILE) allow; clients at once: ${shown}`,
      hint: 'raise LimitNOFILE= of the unit (ulimit -n), or lower max-connections',
    });
  }
  return accounts.map((served) => ({
    ...served,
    listeners: served.listeners.map((listen) => ({
      ...listen,
      maxConnections: shares.get(listen) ?? listen.maxConnections,
    })),
  }));
}

function helpersOf({ privkeys, helpers }: AccountConfig): number {
  return privkeys.filter(isPkcs11Uri).length * (helpers ?? DEFAULT_HELPERS);
}

function newScheduler(): TurnScheduler {
  return new TurnScheduler({ now: () => performance.now(), defer: setImmediate });
}

function servicesOf(
  { config, policies, accounts, log, audit, refusals, ledger, userId }: DaemonOptions,
  { account, listeners, keys }: ServedAccount,
  scheduler: TurnScheduler,
): readonly ListenerService[] {
  const listenerCount = accounts.flatMap((served) => served.listeners).length;
  return listeners.map((listen) => {
    const named = policyOf(policies, listen);
    const own = { config, listen, account, named, keys, scheduler, listenerCount };
    return new ListenerService({ ...own, log, audit, refusals, ledger, userId });
  });
}

/** The configuration was checked for it; without the policy no client is served. */
function policyOf(
  policies: DaemonOptions['policies'],
  { policy }: ListenConfig,
): NamedPolicy | undefined {
  const named = policy === undefined ? undefined : policies.get(policy);
  if (policy !== undefined && named === undefined) {
    throw new AppError('CONFIG_INVALID', `there is no [policy.${policy}]`);
  }
  return named;
}
