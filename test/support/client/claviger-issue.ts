// `claviger issue` with a signer and an ACME server of the test's own. Used by test processes only.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startAcmeServer, type AcmeServer, type AcmeServerOptions } from './acme-server.js';
import { runClaviger, writeAccountKey } from './claviger.js';
import { startClavigerd } from '../daemon/clavigerd.js';
import { freePort } from '../free-port.js';
import type { CommandResult } from '../process.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';

export interface IssueSetup {
  /** The working directory; relative paths count from it. */
  readonly folder: string;
  readonly server: AcmeServer;
  /** The arguments of `claviger` for a certificate of a.test and b.test. */
  readonly args: readonly string[];
  /** Runs it with more arguments, which win. */
  readonly issue: (...more: string[]) => Promise<CommandResult>;
}

/** Starts both, and writes a configuration. */
export async function prepareIssue(
  scope: Scope,
  options: AcmeServerOptions = {},
): Promise<IssueSetup> {
  const signer = await startClavigerd(scope, { key: await writeAccountKey(scope, 'ES256') });
  const server = await startAcmeServer(scope, options);
  const folder = await makeTempDir(scope);
  const config = join(folder, 'claviger.toml');
  const root = join(folder, 'root.pem');
  await writeFile(root, server.root.pem);
  const settings = {
    server: server.directoryUrl,
    'server-ca-file': server.caFile,
    socket: signer.socket,
    'state-directory': join(folder, 'state'),
    listen: `127.0.0.1:${await freePort()}`,
    'ca-file': root,
  };
  const lines = Object.entries(settings).map(([k, v]) => `${k} = ${JSON.stringify(v)}\n`);
  await writeFile(config, lines.join(''), { mode: 0o600 });
  const files = ['--key=key.pem', '--cert=cert.pem', '--chain=chain.pem', '--fullchain=full.pem'];
  const args = ['issue', 'a.test', 'b.test', ...files, `--config=${config}`];
  return {
    folder,
    server,
    args,
    issue: (...more) => runClaviger([...args, ...more], { cwd: folder }),
  };
}
