// What `clavigerd --check` prints: the configuration as it takes effect, without secrets, as TOML;
// settings that have no effect follow as comments. Runs in clavigerd, which ends after it.

import { stringify } from 'smol-toml';
import { DEFAULT_ACCOUNT, type AccountConfig } from '../../config/daemon/account-settings.js';
import type { ClavigerdConfig } from '../../config/daemon/config.js';
import { describeUnused } from '../../config/daemon/references.js';
import type {
  ListenConfig,
  ListenLimits,
  ListenPlace,
} from '../../config/daemon/listen-settings.js';
import { describePrivkey } from '../../keys/open-account-key.js';

type Section = Readonly<Record<string, unknown>>;

/** TOML that a configuration file could hold; settings without a value are left out. */
export function formatEffectiveConfig(config: ClavigerdConfig): string {
  const { accounts, listeners, hasListenSections } = config;
  const [top] = accounts.filter(({ name }) => name === DEFAULT_ACCOUNT);
  const others = accounts.filter(({ name }) => name !== DEFAULT_ACCOUNT);
  const [lone] = listeners.map(({ place }) => place);
  const settings = withoutGaps({
    ...(top === undefined ? {} : accountSettings(top)),
    policy: undefined,
    'default-policy': top?.policy,
    'state-directory': escaped(config.stateDirectory || undefined),
    socket: !hasListenSections && lone?.kind === 'socket' ? escaped(lone.path) : undefined,
    logfile: escaped(config.logfile),
    quiet: config.quiet,
    'log-priorities': config.logPriorities,
    'allow-http-on-loopback': config.allowHttpOnLoopback,
    'audit-log': escaped(config.auditLog),
    'audit-durable': config.auditDurable,
    'audit-reserve': config.auditReserveMib,
    ...limitSettings(config.limits),
  });
  const sections = withoutGaps({
    account: sectionOrNone(others.map((account) => [account.name, accountSettings(account)])),
    policy: sectionOrNone(Object.entries(config.policies)),
    listen: hasListenSections ? listeners.map(listenSettings) : undefined,
  });
  // Sections last: in TOML all settings that follow a header belong to its section.
  const unused = describeUnused(config).map((problem) => `# ${problem}\n`);
  return `${stringify({ ...settings, ...sections })}\n${unused.join('')}`;
}

function accountSettings(account: AccountConfig): Section {
  return withoutGaps({
    privkey: formatPrivkeys(account.privkeys),
    'pin-source': escaped(account.pinSource),
    pinentry: account.pinentry,
    gpg: account.gpg,
    'openpgp-key': escaped(account.openpgpKey),
    keyid: account.keyId,
    helpers: account.helpers,
    'sign-timeout': account.signTimeoutMs / 1000,
    'touch-notice': account.touchNoticeMs / 1000,
    policy: account.policy,
  });
}

function listenSettings(listen: ListenConfig): Section {
  return withoutGaps({
    name: listen.name,
    ...placeSettings(listen.place),
    account: listen.account,
    policy: listen.policy,
    ...limitSettings(listen),
  });
}

function placeSettings(place: ListenPlace): Section {
  switch (place.kind) {
    case 'socket':
      return {
        socket: escaped(place.path),
        mode: `0${place.mode.toString(8)}`,
        group: place.group,
      };
    case 'descriptor':
      return { descriptor: place.name };
    case 'stdio':
      return { stdio: true };
  }
}

function limitSettings(limits: ListenLimits): Section {
  return {
    'line-timeout': limits.lineTimeoutMs / 1000,
    'idle-timeout': limits.idleTimeoutMs / 1000,
    'max-connections': limits.maxConnections,
    'max-queued-requests': limits.maxQueuedRequests,
  };
}

function sectionOrNone(entries: readonly (readonly [string, Section])[]): Section | undefined {
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function withoutGaps(section: Section): Section {
  return Object.fromEntries(Object.entries(section).filter(([, value]) => value !== undefined));
}

/** Undefined for the default account when no listener serves it. */
function formatPrivkeys(privkeys: readonly string[]): string | readonly string[] | undefined {
  const formatted = privkeys.map(formatPrivkey);
  const [first, second] = formatted;
  return second === undefined ? first : formatted;
}

/** The percent signs of a pkcs11: URI are its own; elsewhere specifiers begin with them. */
function formatPrivkey(privkey: string): string {
  const described = describePrivkey(privkey);
  return described.startsWith('pkcs11:') ? described : described.replaceAll('%', '%%');
}

function escaped(value: string | undefined): string | undefined {
  return value?.replaceAll('%', '%%');
}
