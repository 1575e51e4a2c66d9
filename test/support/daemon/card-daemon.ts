// The daemon with a key on a virtual card, started the way a service manager does: always with the
// same configuration and the same state, however often. Used by test processes only.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PivCardBed } from '../modules/piv-card.js';
import { startProcess, type RunningProcess } from '../process.js';
import { CLAVIGERD } from '../programs.js';
import { closableScope, type Scope } from '../scope.js';
import { connectSigningClient } from '../requests/signing-client.js';

export interface CardDaemon {
  /** Holds the state directory, so that every start finds what those before it left. */
  readonly env: Readonly<Record<string, string>>;
  /** Starts it, and does not wait for anything. */
  readonly start: () => Promise<RunningProcess>;
  /** Starts it, asks for one signature if it comes up, and stops it. */
  readonly startOnce: () => Promise<Outcome>;
}

interface Outcome {
  /** `signed`, the code of the error, or `ended` when it did not come up. */
  readonly answer: string;
  /** Its standard error. */
  readonly told: string;
}

/** Writes the configuration; nothing is started yet. */
export function makeCardDaemon(scope: Scope, bed: PivCardBed, uri: string): CardDaemon {
  const config = join(bed.folder, 'clavigerd.toml');
  const socket = join(bed.folder, 'S');
  const lines = [`privkey = ${JSON.stringify(uri)}`, `socket = ${JSON.stringify(socket)}`, ''];
  writeFileSync(config, lines.join('\n'), { mode: 0o600 });
  const env = { ...bed.env, STATE_DIRECTORY: join(bed.folder, 'state') };
  const args = [CLAVIGERD, `--config=${config}`];
  const start = (): Promise<RunningProcess> => {
    // What a killed one leaves; the service manager's runtime directory is emptied the same way.
    rmSync(socket, { force: true });
    return startProcess(scope, { command: process.execPath, args, env });
  };
  return {
    env,
    start,
    async startOnce() {
      const daemon = await start();
      const answer = (await comesUp(daemon, socket)) ? await askOnce(socket) : 'ended';
      await daemon.stop();
      return { answer, told: daemon.stderr };
    },
  };
}

async function comesUp(daemon: RunningProcess, socket: string): Promise<boolean> {
  try {
    await daemon.waitFor({ socket });
    return true;
  } catch (error) {
    if (daemon.isRunning) {
      throw error;
    }
    return false;
  }
}

async function askOnce(socket: string): Promise<string> {
  const scope = closableScope();
  try {
    return await (await connectSigningClient(scope, socket)).sign();
  } finally {
    await scope.close();
  }
}
