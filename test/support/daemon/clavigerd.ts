// The real daemon, started for a test with its own folder, configuration and socket.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestKey } from '../keys/keys.js';
import {
  runCommand,
  startProcess,
  type CommandResult,
  type RunningProcess,
  type RunOptions,
} from '../process.js';
import { CLAVIGERD } from '../programs.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';

export interface ClavigerdOptions {
  /** The `privkey` setting, one or several, or a software key that is written to a file. */
  readonly key: string | readonly string[] | TestKey;
  /** More settings, as TOML. */
  readonly settings?: string;
  readonly logfile?: string;
  /** Default: by STATE_DIRECTORY, one for all daemons of the test file. */
  readonly stateDirectory?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface Clavigerd {
  readonly folder: string;
  readonly socket: string;
  readonly logfile: string;
  readonly process: RunningProcess;
}

function isTestKey(key: ClavigerdOptions['key']): key is TestKey {
  return typeof key === 'object' && 'pem' in key;
}

/** Writes a software key as a PEM file that the daemon takes, and gives its `privkey` setting. */
export async function writeKeyFile(folder: string, key: TestKey): Promise<string> {
  const path = join(folder, 'account.pem');
  await writeFile(path, key.pem, { mode: 0o600 });
  return `file:${path}`;
}

/** Starts `clavigerd` with a configuration file of its own, and waits for its socket. */
export async function startClavigerd(scope: Scope, options: ClavigerdOptions): Promise<Clavigerd> {
  const folder = await makeTempDir(scope, 'cvd-');
  const { key } = options;
  const privkey = isTestKey(key) ? await writeKeyFile(folder, key) : key;
  const socket = join(folder, 'S');
  const logfile = options.logfile ?? join(folder, 'clavigerd.log');
  const config = join(folder, 'clavigerd.toml');
  const lines = [
    `privkey = ${JSON.stringify(privkey)}`,
    `socket = ${JSON.stringify(socket)}`,
    `logfile = ${JSON.stringify(logfile)}`,
    ...(options.stateDirectory === undefined
      ? []
      : [`state-directory = ${JSON.stringify(options.stateDirectory)}`]),
    options.settings ?? '',
  ];
  await writeFile(config, `${lines.join('\n')}\n`, { mode: 0o600 });
  const process = await startProcess(scope, {
    command: globalThis.process.execPath,
    args: [CLAVIGERD, `--config=${config}`, ...(options.args ?? [])],
    ...(options.env === undefined ? {} : { env: options.env }),
    waitFor: { socket },
  });
  return { folder, socket, logfile, process };
}

/** Runs `clavigerd` to its end. */
export function runClavigerd(
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  return runCommand(process.execPath, [CLAVIGERD, ...args], options);
}
