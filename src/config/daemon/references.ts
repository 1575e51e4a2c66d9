// References between the sections of clavigerd.toml: the accounts and policies that listeners name
// must exist, accounts that are used must have a key, and sections that nothing refers to are
// described for a warning. Pure; runs in clavigerd.

import { DEFAULT_ACCOUNT, type AccountConfig } from './account-settings.js';
import type { Settings } from './schema.js';
import type { ListenConfig } from './listen-settings.js';
import type { SettingReader } from '../setting-reader.js';

const MISSING = 'is missing: name the account key, pkcs11:... or file:PATH';

interface Sections {
  readonly accounts: readonly AccountConfig[];
  readonly listeners: readonly ListenConfig[];
  readonly settings: Settings;
}

/**
 * Refuses names of accounts and policies that do not exist. A section with a mistake in it does
 * exist.
 */
export function refuseUnknownNames(reader: SettingReader, sections: Sections): void {
  const { accounts, settings } = sections;
  const policies = settings.policy ?? {};
  const refuseUnknown = (key: string, policy: string | undefined): void => {
    if (policy !== undefined && !Object.hasOwn(policies, policy)) {
      reader.refuse(key, `there is no [policy.${policy}]`);
    }
  };
  for (const { name, policy } of accounts) {
    refuseUnknown(name === DEFAULT_ACCOUNT ? 'default-policy' : `account.${name}.policy`, policy);
  }
  for (const [at, { account, policy }] of sections.listeners.entries()) {
    const of = accounts.find(({ name }) => name === account);
    if (of === undefined) {
      reader.refuse(`listen.${at}.account`, `there is no [account.${account}]`);
    }
    if (policy !== of?.policy) {
      refuseUnknown(`listen.${at}.policy`, policy);
    }
  }
}

/**
 * Settings at the top that restrict or unlock the default account. Where that account has no key,
 * whoever wrote them expected them to apply to other accounts as well.
 */
const OF_DEFAULT_ACCOUNT = ['keyid', 'default-policy', 'pin-source', 'openpgp-key'] as const;

/**
 * Refuses accounts without a key. The default account needs none when no listener uses it; then its
 * other settings apply to nothing, and a restriction that applies to nothing is a mistake.
 */
export function refuseMissingKeys(reader: SettingReader, sections: Sections): void {
  const { accounts, listeners, settings } = sections;
  const isUsed = listeners.some(({ account }) => account === DEFAULT_ACCOUNT);
  for (const { name, privkeys } of accounts) {
    if (privkeys.length > 0) {
      continue;
    }
    if (name !== DEFAULT_ACCOUNT) {
      reader.refuse(`account.${name}.privkey`, MISSING);
    } else if (isUsed) {
      reader.refuse('privkey', MISSING);
    } else {
      for (const key of OF_DEFAULT_ACCOUNT.filter((setting) => settings[setting] !== undefined)) {
        reader.refuse(
          key,
          'is of the default account, which has no privkey; accounts do not take it',
        );
      }
    }
  }
}

/**
 * One line for each policy that applies to no client and each account that no listener serves:
 * intended in a trial, and otherwise a name that was forgotten.
 */
export function describeUnused({
  accounts,
  listeners,
  policies,
}: Pick<Sections, 'accounts' | 'listeners'> & {
  readonly policies: Readonly<Record<string, unknown>>;
}): readonly string[] {
  const unusedPolicies = Object.keys(policies).filter(
    (name) => !listeners.some(({ policy }) => policy === name),
  );
  const unusedAccounts = accounts.filter(
    ({ name }) => name !== DEFAULT_ACCOUNT && !listeners.some(({ account }) => account === name),
  );
  return [
    ...unusedPolicies.map((name) => `[policy.${name}]: no client of any listener is held to it`),
    ...unusedAccounts.map(({ name }) => `[account.${name}]: no listener serves it`),
  ];
}
