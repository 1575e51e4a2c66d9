// The options that name the state directory: that of the daemon which uses the same tokens, so that
// commands and daemon share PIN latches. Runs in `clavigerd key` and `clavigerd pin`.

import type { Command } from 'commander';
import { resolve } from 'node:path';
import { DEFAULT_CONFIG_PATH, parseStateDirectory } from '../../config/daemon/config.js';
import { specifierValues } from '../../config/specifiers.js';
import { readConfigFile } from '../terminal/config-file.js';
import { readSpecifierEnvironment, readStateDirectory } from '../terminal/environment.js';

export interface StateDirectoryOptions {
  readonly config?: string;
  readonly stateDirectory?: string;
}

/** Adds `--config` and `--state-directory`. */
export function withStateDirectory(command: Command): Command {
  return command
    .option('--config <file>', "the daemon's configuration, which names the state directory")
    .option('--state-directory <path>', "the daemon's state directory (default: as configured)");
}

/**
 * The option, else the setting of the daemon's configuration, else systemd's; empty where there is
 * none.
 * @throws AppError CONFIG_*, SYS_UNSAFE_PATH
 */
export function stateDirectoryOf({ config, stateDirectory }: StateDirectoryOptions): string {
  if (stateDirectory !== undefined) {
    return resolve(stateDirectory);
  }
  const specifiers = specifierValues(readSpecifierEnvironment(process.env));
  const file = readConfigFile(config, DEFAULT_CONFIG_PATH, specifiers);
  return parseStateDirectory({
    source: file.path,
    text: file.text,
    specifiers,
    stateDirectory: readStateDirectory(process.env),
  });
}
