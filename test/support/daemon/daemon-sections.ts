// The real daemon with a configuration of its own writing: sections, several sockets. Used by test
// processes only. Nothing is added to the text but the paths it asks for.

import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePublicJwk, publicKeyOfJwk } from '../../../src/jose/public-jwk.js';
import { makeKey, type TestKey } from '../keys/keys.js';
import { connectLineClient } from './line-client.js';
import { startProcess, type RunningProcess, type StartOptions } from '../process.js';
import { CLAVIGERD } from '../programs.js';
import { atEnd, type Scope } from '../scope.js';
import {
  formatSigningInput,
  isSignatureOf,
  type SigningRequest,
} from '../requests/signing-request.js';
import { makeTempDir } from '../temp-dir.js';

export interface SectionBed {
  /** Others may look for a path in it, which its sockets need when they are for a group. */
  readonly folder: string;
  readonly config: string;
  readonly key: TestKey;
  readonly logfile: string;
  path(name: string): string;
}

/** A folder with `account.pem` in it, and a configuration in which `@` stands for the folder. */
export async function makeSectionBed(scope: Scope, toml: string): Promise<SectionBed> {
  const folder = await makeTempDir(scope, 'cvl-');
  await chmod(folder, 0o711);
  const key = makeKey('ES256');
  const path = (name: string): string => join(folder, name);
  await writeFile(path('account.pem'), key.pem, { mode: 0o600 });
  const config = path('clavigerd.toml');
  const logfile = path('clavigerd.log');
  const text = `logfile = "@/clavigerd.log"\n${toml}`.replaceAll('@', folder);
  await writeFile(config, text, { mode: 0o600 });
  return { folder, config, key, logfile, path };
}

/** Starts the daemon of the bed, and waits for a socket or a line of its log. */
export function startInBed(
  scope: Scope,
  { config }: SectionBed,
  options: Pick<StartOptions, 'waitFor' | 'stdin' | 'env'> & { readonly args?: readonly string[] },
): Promise<RunningProcess> {
  const { args = [], ...others } = options;
  return startProcess(scope, {
    command: process.execPath,
    args: [CLAVIGERD, `--config=${config}`, ...args],
    ...others,
  });
}

/** One request on a connection of its own: `signed`, the line that refuses it, or `closed`. */
export async function askOnce(
  scope: Scope,
  socket: string,
  request: Partial<SigningRequest> = {},
): Promise<string> {
  const client = await connectLineClient(socket);
  atEnd(scope, () => {
    client.close();
  });
  const greeting = (await client.readLine()) ?? 'closed';
  const jwkText = (await client.readLine()) ?? '{}';
  if (!greeting.startsWith('1 OK ')) {
    return 'closed';
  }
  client.write('!errors\r\n');
  const kid = 'https://ca.example/acct/1';
  const input = formatSigningInput({ alg: 'ES256', kid, url: 'https://ca.example/x', ...request });
  const reply = (await client.ask(input)) ?? 'closed';
  client.close();
  if (reply.startsWith('!')) {
    return reply;
  }
  if (jwkText === '{}') {
    return 'signed'; // key-ID-only mode hides the key
  }
  const jwk = publicKeyOfJwk(parsePublicJwk(JSON.parse(jwkText))).export({ format: 'jwk' });
  return isSignatureOf('ES256', jwk, input, reply) ? 'signed' : 'wrong key';
}

/** A new order for DNS names. */
export function orderFor(...names: readonly string[]): Partial<SigningRequest> {
  return { payload: { identifiers: names.map((value) => ({ type: 'dns', value })) } };
}
