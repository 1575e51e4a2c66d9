// One account of clavigerd.toml to typed values: its key, the PIN's source, its key ID. Pure; runs
// in clavigerd and its commands. What identifies the key, or restricts its use, is never inherited
// from another account.

import { DEFAULT_SIGN_TIMEOUT_MS, DEFAULT_TOUCH_NOTICE_MS } from '../../lib/signing-times.js';
import type { AccountSettings } from './schema.js';
import type { Command, SettingReader } from '../setting-reader.js';
import { inMs } from '../setting-types.js';
import { parseUrl } from '../../lib/web-url.js';

export const DEFAULT_ACCOUNT = 'default';
const DEFAULT_GPG_COMMAND = 'gpg --quiet';
const DEFAULT_PINENTRY_COMMAND = 'pinentry';

/** What an account has from the top of the file, unless it says otherwise. */
interface AccountDefaults {
  /** As it is written, for people; and in words. */
  readonly pinentry: string;
  readonly pinentryCommand: Command;
  /** As it is written, for people; and in words. */
  readonly gpg: string;
  readonly gpgCommand: Command;
  /** Helper processes for a token; undefined leaves it to the profile of the module. */
  readonly helpers: number | undefined;
  readonly signTimeoutMs: number;
  readonly touchNoticeMs: number;
}

export interface AccountConfig extends AccountDefaults {
  readonly name: string;
  /** The places the account key is at, in the order in which they are asked. */
  readonly privkeys: readonly string[];
  readonly pinSource: string | undefined;
  readonly openpgpKey: string | undefined;
  /** The account URL; set, the account is in key-ID-only mode. */
  readonly keyId: string | undefined;
  /** The policy of its listeners that name none. */
  readonly policy: string | undefined;
}

export const ACCOUNT_DEFAULTS: AccountDefaults = {
  pinentry: DEFAULT_PINENTRY_COMMAND,
  pinentryCommand: [DEFAULT_PINENTRY_COMMAND],
  gpg: DEFAULT_GPG_COMMAND,
  gpgCommand: ['gpg', '--quiet'],
  helpers: undefined,
  signTimeoutMs: DEFAULT_SIGN_TIMEOUT_MS,
  touchNoticeMs: DEFAULT_TOUCH_NOTICE_MS,
};

interface AccountInput {
  readonly name: string;
  readonly settings: AccountSettings;
  readonly defaults: AccountDefaults;
  readonly allowHttpOnLoopback: boolean;
  /** --privkey, which goes before the setting. */
  readonly privkeyOption?: string | undefined;
}

/** Reads one account; that it has a key is not checked here. */
export function readAccount(reader: SettingReader, input: AccountInput): AccountConfig {
  const { name, settings, defaults } = input;
  const { pinentry, gpg, helpers, policy } = settings;
  return {
    name,
    privkeys: readPrivkeys(reader, input),
    pinSource: reader.expand('pin-source', settings['pin-source']),
    openpgpKey: reader.expand('openpgp-key', settings['openpgp-key']),
    keyId: readKeyId(reader, settings.keyid, input.allowHttpOnLoopback),
    policy,
    pinentry: pinentry ?? defaults.pinentry,
    pinentryCommand:
      pinentry === undefined ? defaults.pinentryCommand : reader.command('pinentry', pinentry),
    gpg: gpg ?? defaults.gpg,
    gpgCommand: gpg === undefined ? defaults.gpgCommand : readGpgCommand(reader, gpg),
    helpers: helpers ?? defaults.helpers,
    signTimeoutMs: inMs(settings['sign-timeout']) ?? defaults.signTimeoutMs,
    touchNoticeMs: inMs(settings['touch-notice']) ?? defaults.touchNoticeMs,
  };
}

function readPrivkeys(reader: SettingReader, input: AccountInput): readonly string[] {
  const { settings, privkeyOption } = input;
  if (privkeyOption !== undefined) {
    const isVerbatim = isUri(privkeyOption);
    return [isVerbatim ? privkeyOption : (reader.expand('privkey', privkeyOption) ?? '')];
  }
  return [settings.privkey ?? []]
    .flat()
    .map((privkey) => (isUri(privkey) ? privkey : (reader.expand('privkey', privkey) ?? '')));
}

/**
 * The percent signs of a pkcs11: URI are its own (RFC 7512 §2.3); specifiers are for paths. A
 * scheme has no case, RFC 3986 §3.1.
 */
function isUri(privkey: string): boolean {
  return /^pkcs11:/i.test(privkey);
}

/** lacme-accountd splits at blanks alone, which comes to the same without quotes. */
function readGpgCommand(reader: SettingReader, text: string): Command {
  const words = reader.command('gpg', text);
  if (words.some((word) => /^--passphrase(=|$)/.test(word))) {
    reader.refuse(
      'gpg',
      '--passphrase puts the passphrase on a command line; use --passphrase-file',
    );
  }
  return words;
}

/** An empty keyid means none, as lacme-accountd has it. */
function readKeyId(
  reader: SettingReader,
  keyId: string | undefined,
  allowHttpOnLoopback: boolean,
): string | undefined {
  if (keyId === undefined || keyId === '') {
    return undefined;
  }
  const url = /^https?:\/\/[!-~]+$/.test(keyId) ? parseUrl(keyId) : undefined;
  if (url === undefined || url.hash !== '' || url.username !== '' || url.password !== '') {
    reader.refuse('keyid', 'is not an account URL, https://...');
  } else if (url.protocol === 'http:' && !allowHttpOnLoopback) {
    reader.refuse('keyid', 'is not https, and allow-http-on-loopback is not set');
  }
  return keyId;
}
