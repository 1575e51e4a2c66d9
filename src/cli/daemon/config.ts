// The daemon's configuration from its file and the command line. Runs in clavigerd and its
// commands. Settings that only the keys and the policies can check are checked here too, so that
// --check reports them.

import type { AccountConfig } from '../../config/daemon/account-settings.js';
import { DEFAULT_ACCOUNT } from '../../config/daemon/account-settings.js';
import {
  DEFAULT_CONFIG_PATH,
  parseClavigerdConfig,
  type ClavigerdConfig,
} from '../../config/daemon/config.js';
import type { Start } from '../../config/daemon/listen-settings.js';
import { specifierValues } from '../../config/specifiers.js';
import { describePrivkey } from '../../keys/open-account-key.js';
import { parsePinSource } from '../../keys/pin/pin-source.js';
import { AppError, isAppError, messageOf } from '../../lib/errors.js';
import { checkUrl } from '../../policy/request-url.js';
import { parseNamedPolicy, type NamedPolicy } from '../../policy/named-policy.js';
import { findGroupId } from '../../sys/group-database.js';
import { readConfigFile } from '../terminal/config-file.js';
import { readSpecifierEnvironment, readStateDirectory } from '../terminal/environment.js';
import { packageFile } from '../../sys/package-files.js';

interface DaemonConfigOptions {
  readonly config?: string | undefined;
  readonly privkey?: string | undefined;
  readonly socket?: string | undefined;
  readonly quiet?: boolean | undefined;
  readonly logPriorities?: boolean | undefined;
}

export interface DaemonConfig {
  readonly config: ClavigerdConfig;
  /** What the policies of the configuration mean, by name. */
  readonly policies: ReadonlyMap<string, NamedPolicy>;
}

/**
 * Reads the configuration.
 * @param start undefined where nothing is to be served.
 * @throws AppError CONFIG_*, SYS_UNSAFE_PATH
 */
export function loadDaemonConfig(
  options: DaemonConfigOptions,
  start: Start | undefined,
): DaemonConfig {
  if (options.privkey?.includes('pin-value=') === true) {
    // Every user of the machine can read a command line; the error does not repeat it.
    throw new AppError('CONFIG_USAGE', '--privkey: pin-value puts the PIN on the command line', {
      hint: 'use pin-source=file:/PATH, env:NAME or credential:NAME instead',
    });
  }
  const specifiers = specifierValues(readSpecifierEnvironment(process.env));
  const file = readConfigFile(options.config, DEFAULT_CONFIG_PATH, specifiers);
  if (!file.exists && options.privkey === undefined) {
    throw noConfiguration(file.path);
  }
  const policies = new Map<string, NamedPolicy>();
  const config = parseClavigerdConfig({
    source: file.path,
    text: file.text,
    commandLine: {
      privkey: options.privkey,
      socket: options.socket,
      quiet: options.quiet,
      'log-priorities': options.logPriorities,
    },
    specifiers,
    stateDirectory: readStateDirectory(process.env),
    start,
    groupIdOf: findGroupId,
    checkPolicy: (name, settings, onProblem) => {
      policies.set(name, parseNamedPolicy(name, settings, onProblem));
    },
  });
  for (const account of config.accounts) {
    assertUsableKey(account, file.path);
    assertUsableKeyId(account, config.allowHttpOnLoopback, file.path);
  }
  return { config, policies };
}

/** The default file is not there, and nothing else says which key there is. */
function noConfiguration(path: string): AppError {
  return new AppError('CONFIG_FILE', `there is no configuration file ${path}`, {
    hint: `copy ${packageFile('docs/examples/clavigerd.toml')} there and adapt it (clavigerd.toml(5)), or name another file with --config`,
  });
}

/** With a key ID that no request may name, the daemon would refuse every request. */
function assertUsableKeyId(
  { name, keyId }: AccountConfig,
  allowHttpOnLoopback: boolean,
  source: string,
): void {
  const problem = keyId === undefined ? undefined : checkUrl(keyId, allowHttpOnLoopback);
  if (problem !== undefined) {
    const section = name === DEFAULT_ACCOUNT ? '' : `account.${name}.`;
    throw new AppError(
      'CONFIG_INVALID',
      `${source}: ${section}keyid: no request may have it: ${problem}`,
      { hint: 'write the account URL as `claviger account show` prints it' },
    );
  }
}

/** Key settings that cannot work are reported as errors of the configuration. */
function assertUsableKey({ name, privkeys, pinSource }: AccountConfig, source: string): void {
  try {
    privkeys.forEach(describePrivkey);
    if (pinSource !== undefined) {
      parsePinSource(pinSource);
    }
  } catch (error) {
    const hint = isAppError(error) ? error.hint : undefined;
    const account = name === DEFAULT_ACCOUNT ? '' : `account.${name}: `;
    throw new AppError('CONFIG_INVALID', `${source}: ${account}${messageOf(error)}`, {
      hint,
      cause: error,
    });
  }
}
