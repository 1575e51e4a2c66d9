// Finds the policy, account and listener that a `clavigerd policy` command is about. Pure. What the
// command line does not name comes from the listener, then from the account, as in the daemon.

import { DEFAULT_ACCOUNT, type AccountConfig } from '../../config/daemon/account-settings.js';
import { AppError } from '../../lib/errors.js';
import type { NamedPolicy } from '../../policy/named-policy.js';
import type { DaemonConfig } from '../daemon/config.js';

export interface TrialNames {
  readonly policy?: string;
  readonly account?: string;
  readonly listener?: string;
}

interface TrialPlace {
  readonly account: AccountConfig;
  readonly listener: string | undefined;
  /** Undefined where none applies: then the account's mode alone decides. */
  readonly policy: NamedPolicy | undefined;
}

/** A policy where it is used. */
export interface PolicyPlace {
  readonly policy: NamedPolicy;
  readonly account: AccountConfig;
  readonly listeners: readonly string[];
}

type Loaded = Pick<DaemonConfig, 'policies'> & {
  readonly config: Pick<DaemonConfig['config'], 'accounts' | 'listeners'>;
};

/** @throws AppError CONFIG_USAGE for a name that the configuration does not have. */
export function placeOfTrial({ config, policies }: Loaded, names: TrialNames): TrialPlace {
  const listener =
    names.listener === undefined
      ? undefined
      : named('listener', names.listener, byName(config.listeners));
  const account = named(
    'account',
    names.account ?? listener?.account ?? DEFAULT_ACCOUNT,
    byName(config.accounts),
  );
  const policy = names.policy ?? (listener ?? account).policy;
  return {
    account,
    listener: listener?.name,
    policy: policy === undefined ? undefined : named('policy', policy, policies),
  };
}

/**
 * The accounts that use a policy, through a listener or as their own; else the default account.
 * @param accountName takes that account instead.
 * @throws AppError CONFIG_USAGE
 */
export function placesOfPolicy(
  { config, policies }: Loaded,
  name: string,
  accountName: string | undefined,
): readonly PolicyPlace[] {
  const policy = named('policy', name, policies);
  const accounts = byName(config.accounts);
  const using = config.listeners.filter((listener) => listener.policy === name);
  const users = new Set([
    ...using.map(({ account }) => account),
    ...config.accounts.filter((each) => each.policy === name).map((each) => each.name),
  ]);
  const wanted =
    accountName === undefined
      ? [...users, ...(users.size === 0 ? [DEFAULT_ACCOUNT] : [])]
      : [accountName];
  return wanted.map((wantedName) => ({
    policy,
    account: named('account', wantedName, accounts),
    listeners: using.filter(({ account }) => account === wantedName).map((each) => each.name),
  }));
}

function byName<T extends { readonly name: string }>(list: readonly T[]): ReadonlyMap<string, T> {
  return new Map(list.map((item) => [item.name, item]));
}

function named<T>(kind: string, name: string, known: ReadonlyMap<string, T>): T {
  const found = known.get(name);
  if (found === undefined) {
    const names = [...known.keys()].join(', ');
    throw new AppError(
      'CONFIG_USAGE',
      `${kind} ${JSON.stringify(name)}: there is none of that name`,
      {
        hint: names === '' ? `the configuration has no ${kind}` : `there is ${names}`,
      },
    );
  }
  return found;
}
