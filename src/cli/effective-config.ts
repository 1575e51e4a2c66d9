// What `clavigerd --check` prints: the configuration as it takes effect, without secrets, as TOML.

import { stringify } from 'smol-toml';
import type { ClavigerdConfig } from '../config/clavigerd-config.js';
import { describePrivkey } from '../keys/open-account-key.js';

/** TOML that a configuration file could hold; settings without a value are left out. */
export function formatEffectiveConfig(config: ClavigerdConfig): string {
  const settings: Readonly<
    Record<string, string | readonly string[] | number | boolean | undefined>
  > = {
    privkey: formatPrivkeys(config.privkeys),
    'pin-source': escaped(config.pinSource),
    pinentry: config.pinentry,
    'state-directory': escaped(config.stateDirectory || undefined),
    gpg: config.gpg,
    'openpgp-key': escaped(config.openpgpKey),
    socket: escaped(config.socket),
    logfile: escaped(config.logfile),
    keyid: config.keyId,
    quiet: config.quiet,
    'allow-http-on-loopback': config.allowHttpOnLoopback,
    helpers: config.helpers,
    'sign-timeout': config.signTimeoutMs / 1000,
    'touch-notice': config.touchNoticeMs / 1000,
    'line-timeout': config.lineTimeoutMs / 1000,
    'idle-timeout': config.idleTimeoutMs / 1000,
    'max-connections': config.maxConnections,
    'max-queued-requests': config.maxQueuedRequests,
  };
  const told = Object.entries(settings).filter(([, value]) => value !== undefined);
  return `${stringify(Object.fromEntries(told))}\n`;
}

function formatPrivkeys(privkeys: readonly string[]): string | readonly string[] {
  const formatted = privkeys.map(formatPrivkey);
  const [first, second] = formatted;
  return first !== undefined && second === undefined ? first : formatted;
}

/** The percent signs of a pkcs11: URI are its own; elsewhere specifiers begin with them. */
function formatPrivkey(privkey: string): string {
  const described = describePrivkey(privkey);
  return described.startsWith('pkcs11:') ? described : described.replaceAll('%', '%%');
}

function escaped(value: string | undefined): string | undefined {
  return value?.replaceAll('%', '%%');
}
