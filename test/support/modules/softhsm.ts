// SoftHSM tokens for a test: a folder with its own configuration, tokens with random PINs, keys.
// Used by test processes only. SoftHSM's tools run one after another: it races when two start on
// one store.

import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../process.js';
import { type Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';
import { recordSecret } from '../transcript.js';

export const SOFTHSM_MODULE = '/usr/lib/softhsm/libsofthsm2.so';
/** What `pkcs11-tool --key-type` takes. */
export type ToolKeyType = 'rsa:2048' | 'rsa:3072' | 'rsa:4096' | `EC:${string}`;

export interface SoftHsmKey {
  readonly label: string;
  /** CKA_ID in hexadecimal. */
  readonly id: string;
  readonly type: ToolKeyType;
}

export interface SoftHsmToken {
  readonly label: string;
  readonly serial: string;
  readonly pin: string;
  /** File with the PIN, mode 0600. */
  readonly pinFile: string;
}

export interface SoftHsm {
  readonly folder: string;
  readonly modulePath: string;
  /** What a process needs to see these tokens. */
  readonly env: Readonly<{ SOFTHSM2_CONF: string }>;
  addToken(label: string): Promise<SoftHsmToken>;
  /** Runs pkcs11-tool on a token, logged in; gives its output. */
  tool(token: SoftHsmToken, ...args: readonly string[]): Promise<string>;
  /** Makes a key pair with pkcs11-tool, so that two programs agree on what a key is. */
  addKey(token: SoftHsmToken, key: SoftHsmKey): Promise<void>;
  /** `pkcs11:` URI of a key, PIN file included. */
  uri(token: SoftHsmToken, key: Partial<SoftHsmKey>): string;
}

/** An empty token store that lives as long as the scope. */
export async function createSoftHsm(scope: Scope): Promise<SoftHsm> {
  const folder = await makeTempDir(scope, 'cvhsm-');
  const conf = join(folder, 'softhsm2.conf');
  mkdirSync(join(folder, 'tokens'), { mode: 0o700 });
  writeFileSync(
    conf,
    `directories.tokendir = ${folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  const env = { SOFTHSM2_CONF: conf };
  let tokens = 0;
  const tool: SoftHsm['tool'] = async (token, ...args) => {
    const slot = await slotOfSerial(token.serial, env);
    const login = ['--module', SOFTHSM_MODULE, '--slot', slot, '--login', '--pin', token.pin];
    return mustRun('pkcs11-tool', [...login, ...args], { env });
  };
  return {
    folder,
    modulePath: SOFTHSM_MODULE,
    env,
    async addToken(label): Promise<SoftHsmToken> {
      const pin = randomBytes(6).toString('hex');
      const soPin = randomBytes(8).toString('hex');
      recordSecret(pin);
      const args = ['--init-token', '--free', '--label', label, '--so-pin', soPin, '--pin', pin];
      const output = await mustRun('softhsm2-util', args, { env });
      const slot = /reassigned to slot (\d+)/.exec(output)?.[1] ?? '';
      const pinFile = join(folder, `pin-${++tokens}`);
      writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
      return { label, serial: await serialOfSlot(slot, env), pin, pinFile };
    },
    tool,
    async addKey(token, { label, id, type }): Promise<void> {
      const args = ['--keypairgen', '--key-type', type, '--id', id, '--label', label];
      await tool(token, ...args, '--usage-sign');
    },
    uri(token, key): string {
      const object = key.label === undefined ? '' : `;object=${encodeURIComponent(key.label)}`;
      const id = key.id === undefined ? '' : `;id=${key.id.replace(/../g, '%$&')}`;
      const path = `pkcs11:token=${encodeURIComponent(token.label)};serial=${token.serial}${object}${id}`;
      return `${path}?module-path=${SOFTHSM_MODULE}&pin-source=file:${token.pinFile}`;
    },
  };
}

async function serialOfSlot(slot: string, env: SoftHsm['env']): Promise<string> {
  const output = await mustRun('softhsm2-util', ['--show-slots'], { env });
  const section = output.split(/^Slot /m).find((text) => text.startsWith(`${slot}\n`)) ?? '';
  return match(section, /Serial number:\s*(\S+)/, 'serial number');
}

async function slotOfSerial(serial: string, env: SoftHsm['env']): Promise<string> {
  const output = await mustRun('softhsm2-util', ['--show-slots'], { env });
  const section = output.split(/^Slot /m).find((text) => text.includes(serial)) ?? '';
  return match(section, /^(\d+)/, 'slot');
}

function match(text: string, pattern: RegExp, what: string): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) {
    throw new Error(`softhsm2-util: no ${what} in ${JSON.stringify(text)}`);
  }
  return found;
}
