// Running the `claviger` program, and signers for it. Used by test processes only.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Algorithm } from '../../../src/jose/algorithms.js';
import { makeKey } from '../keys/keys.js';
import type { Pebble } from './pebble.js';
import {
  runCommand,
  startProcess,
  type CommandResult,
  type RunningProcess,
  type RunOptions,
} from '../process.js';
import { CLAVIGER } from '../programs.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';

interface SignerSetup {
  /** A folder of mode 0700 that holds the socket. */
  readonly folder: string;
  readonly socket: string;
  readonly process: RunningProcess;
}

/** Writes a new account key as PEM; gives `file:PATH`. */
export async function writeAccountKey(scope: Scope, algorithm: Algorithm): Promise<string> {
  const path = join(await makeTempDir(scope), 'account.pem');
  await writeFile(path, makeKey(algorithm).pem, { mode: 0o600 });
  return `file:${path}`;
}

/**
 * Starts Debian's lacme-accountd; RSA keys only. With a key ID it gives out that, and not the key.
 */
export async function startLacmeAccountd(
  scope: Scope,
  privkey: string,
  keyId?: string,
): Promise<SignerSetup> {
  const folder = await makeTempDir(scope);
  const socket = join(folder, 'S');
  const config = join(folder, 'lacme-accountd.conf');
  await writeFile(config, keyId === undefined ? '' : `keyid = ${keyId}\n`);
  const process_ = await startProcess(scope, {
    command: 'lacme-accountd',
    args: [`--config=${config}`, `--privkey=${privkey}`, `--socket=${socket}`],
    waitFor: { socket },
  });
  return { folder, socket, process: process_ };
}

export interface ClavigerSetup {
  readonly folder: string;
  /** `claviger.toml` with server, signer and http-01 port. */
  readonly config: string;
  run(args: readonly string[], options?: RunOptions): Promise<CommandResult>;
}

/** A folder with a configuration for this CA and signer. */
export async function prepareClaviger(
  scope: Scope,
  pebble: Pebble,
  signer: { readonly socket: string } | { readonly command: string },
  more = '',
): Promise<ClavigerSetup> {
  const folder = await makeTempDir(scope);
  const config = join(folder, 'claviger.toml');
  const settings = {
    server: pebble.directoryUrl,
    'server-ca-file': pebble.caFile,
    'ca-file': pebble.rootCaFile,
    ...('socket' in signer ? { socket: signer.socket } : { 'signer-command': signer.command }),
    'state-directory': join(await makeTempDir(scope), 'state'),
    listen: `127.0.0.1:${pebble.httpPort}`,
  };
  const text = Object.entries(settings).map(
    ([key, value]) => `${key} = ${JSON.stringify(value)}\n`,
  );
  await writeFile(config, text.join('') + more, { mode: 0o600 });
  return {
    folder,
    config,
    run: (args, options) =>
      runClaviger([...args, `--config=${config}`], { cwd: folder, ...options }),
  };
}

/** Runs `claviger` with these arguments to its end. */
export function runClaviger(
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandResult> {
  return runCommand(process.execPath, [CLAVIGER, ...args], options);
}
