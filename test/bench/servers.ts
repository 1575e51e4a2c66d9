// The daemons the benchmark compares, started and stopped for it.

import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess, type RunningProcess } from '../support/process.js';
import { CLAVIGERD } from '../support/programs.js';
import type { Scope } from '../support/scope.js';

export interface Server {
  readonly name: string;
  readonly algorithm: string;
  readonly socket: string;
  readonly process: RunningProcess;
}

export interface ServerPlan {
  readonly name: string;
  readonly algorithm: string;
  readonly command: string;
  /** Arguments but for the socket. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** One of ours: the same again with more settings, as TOML. */
export interface ClavigerdPlan extends ServerPlan {
  with(settings: string): Promise<ClavigerdPlan>;
}

/** Debian's daemon, with a logfile as ours has one. */
export async function lacmePlan(folder: string, keyFile: string): Promise<ServerPlan> {
  const config = join(folder, 'lacme-accountd.conf');
  await writeFile(config, `logfile = ${join(folder, 'lacme-accountd.log')}\n`);
  return {
    name: 'lacme-accountd, file RSA-2048',
    algorithm: 'RS256',
    command: 'lacme-accountd',
    args: ['--quiet', `--config=${config}`, `--privkey=file:${keyFile}`],
  };
}

interface ClavigerdKey {
  readonly name: string;
  readonly algorithm: string;
  readonly privkey: string;
}

export async function clavigerdPlan(
  folder: string,
  key: ClavigerdKey,
  env: Readonly<Record<string, string>> = {},
  settings = '',
): Promise<ClavigerdPlan> {
  const { name, algorithm, privkey } = key;
  const stem = join(folder, `${name.replace(/\W+/g, '-')}-${randomUUID().slice(0, 8)}`);
  const lines = [
    `privkey = ${JSON.stringify(privkey)}`,
    `logfile = ${JSON.stringify(`${stem}.log`)}`,
    settings,
  ];
  await writeFile(`${stem}.toml`, `${lines.join('\n')}\n`, { mode: 0o600 });
  return {
    name,
    algorithm,
    command: process.execPath,
    args: [CLAVIGERD, '--quiet', `--config=${stem}.toml`],
    env,
    with: (more) => clavigerdPlan(folder, key, env, more),
  };
}

export async function startServer(scope: Scope, folder: string, plan: ServerPlan): Promise<Server> {
  const socket = join(folder, `S${Math.random().toString(36).slice(2, 8)}`);
  const running = await startProcess(scope, {
    command: plan.command,
    args: [...plan.args, `--socket=${socket}`],
    ...(plan.env === undefined ? {} : { env: plan.env }),
    isHeard: false,
    waitFor: { socket },
  });
  return { name: plan.name, algorithm: plan.algorithm, socket, process: running };
}
