// The sections of clavigerd.toml that have names: accounts and policies. Pure.

import {
  ACCOUNT_DEFAULTS,
  DEFAULT_ACCOUNT,
  readAccount,
  type AccountConfig,
} from './account-settings.js';
import { accountSchema, type Settings } from './schema.js';
import { policySchema, type PolicySettings } from './policy-schema.js';
import type { SettingReader } from '../setting-reader.js';
import { isSectionName, isTable, SECTION_NAME_RULE, type Table } from '../setting-types.js';

export type PolicyCheck = (
  name: string,
  settings: PolicySettings,
  /** `key` is the whole: `policy.web.identifiers.0`. */
  onProblem: (problem: { readonly key: string; readonly problem: string }) => void,
) => void;

/**
 * The default account, which is what the settings at the top say, and those of sections.
 * @param privkeyOption --privkey
 */
export function readAccounts(
  reader: SettingReader,
  settings: Settings,
  privkeyOption: string | undefined,
): readonly AccountConfig[] {
  const allowHttpOnLoopback = settings['allow-http-on-loopback'] ?? false;
  const top = readAccount(reader, {
    name: DEFAULT_ACCOUNT,
    settings: { ...settings, policy: settings['default-policy'] },
    defaults: ACCOUNT_DEFAULTS,
    allowHttpOnLoopback,
    privkeyOption,
  });
  const others = sectionsOf(reader, 'account', settings.account).map(([name, section]) => {
    const own = reader.in(`account.${name}`);
    if (name === DEFAULT_ACCOUNT) {
      own.refuseSection('the default account is what the settings at the top say');
    }
    const input = { name, defaults: top, allowHttpOnLoopback };
    return readAccount(own, { ...input, settings: own.check(section, accountSchema) });
  });
  return [top, ...others];
}

/** The policies as they are written; what they mean is looked at by `checkPolicy`. */
export function readPolicies(
  reader: SettingReader,
  sections: Table | undefined,
  checkPolicy: PolicyCheck | undefined,
): Readonly<Record<string, PolicySettings>> {
  const policies = sectionsOf(reader, 'policy', sections).map(([name, section]) => {
    const policy = reader.in(`policy.${name}`).check(section, policySchema);
    checkPolicy?.(name, policy, ({ key, problem }) => {
      reader.refuse(key, problem);
    });
    return [name, policy] as const;
  });
  return Object.fromEntries(policies);
}

/** The sections below `account` or `policy`, those left out that cannot be. */
function sectionsOf(
  reader: SettingReader,
  kind: string,
  sections: Table = {},
): readonly (readonly [string, Table])[] {
  return Object.entries(sections).flatMap(([name, section]) => {
    if (!isSectionName(name)) {
      reader.refuse(kind, `${JSON.stringify(name)} is no name: it ${SECTION_NAME_RULE}`);
    } else if (isTable(section)) {
      return [[name, section] as const];
    } else {
      reader.refuse(`${kind}.${name}`, `must be a section, [${kind}.${name}]`);
    }
    return [];
  });
}
