// A SoftHSM token behind a module that misbehaves on command: test/fault-module/fault.c, which says
// what the commands are. Built here, once for a test process. Used by test processes only.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '../process.js';
import { ROOT } from '../programs.js';
import type { Scope } from '../scope.js';
import {
  createSoftHsm,
  SOFTHSM_MODULE,
  type SoftHsm,
  type SoftHsmKey,
  type SoftHsmToken,
  type ToolKeyType,
} from './softhsm.js';

/** Return values of PKCS#11 that tests want to see, by name. */
export const CKR = {
  CKR_OK: 0x0,
  CKR_HOST_MEMORY: 0x2,
  CKR_SLOT_ID_INVALID: 0x3,
  CKR_GENERAL_ERROR: 0x5,
  CKR_FUNCTION_FAILED: 0x6,
  CKR_CANT_LOCK: 0xa,
  CKR_DATA_INVALID: 0x20,
  CKR_DATA_LEN_RANGE: 0x21,
  CKR_DEVICE_ERROR: 0x30,
  CKR_DEVICE_MEMORY: 0x31,
  CKR_DEVICE_REMOVED: 0x32,
  CKR_FUNCTION_CANCELED: 0x50,
  CKR_KEY_HANDLE_INVALID: 0x60,
  CKR_KEY_SIZE_RANGE: 0x62,
  CKR_KEY_TYPE_INCONSISTENT: 0x63,
  CKR_KEY_CHANGED: 0x65,
  CKR_KEY_FUNCTION_NOT_PERMITTED: 0x68,
  CKR_MECHANISM_INVALID: 0x70,
  CKR_MECHANISM_PARAM_INVALID: 0x71,
  CKR_OBJECT_HANDLE_INVALID: 0x82,
  CKR_OPERATION_ACTIVE: 0x90,
  CKR_OPERATION_NOT_INITIALIZED: 0x91,
  CKR_PIN_INCORRECT: 0xa0,
  CKR_PIN_INVALID: 0xa1,
  CKR_PIN_LEN_RANGE: 0xa2,
  CKR_PIN_EXPIRED: 0xa3,
  CKR_PIN_LOCKED: 0xa4,
  CKR_SESSION_CLOSED: 0xb0,
  CKR_SESSION_COUNT: 0xb1,
  CKR_SESSION_HANDLE_INVALID: 0xb3,
  CKR_TOKEN_NOT_PRESENT: 0xe0,
  CKR_TOKEN_NOT_RECOGNIZED: 0xe1,
  CKR_USER_NOT_LOGGED_IN: 0x101,
  CKR_USER_PIN_NOT_INITIALIZED: 0x102,
  CKR_USER_TYPE_INVALID: 0x103,
  CKR_USER_ANOTHER_ALREADY_LOGGED_IN: 0x104,
  CKR_USER_TOO_MANY_TYPES: 0x105,
  CKR_CURVE_NOT_SUPPORTED: 0x140,
  CKR_BUFFER_TOO_SMALL: 0x150,
  CKR_CRYPTOKI_NOT_INITIALIZED: 0x190,
  CKR_MUTEX_BAD: 0x1a0,
  CKR_MUTEX_NOT_LOCKED: 0x1a1,
  CKR_FUNCTION_REJECTED: 0x200,
  CKR_TOKEN_RESOURCE_EXCEEDED: 0x201,
  CKR_KEY_EXHAUSTED: 0x203,
} as const;

/** The number of a return value. */
export function returnValueOf(name: string): number {
  const found = Object.entries(CKR).find(([known]) => known === name)?.[1];
  if (found === undefined) {
    throw new Error(`${name}: no number known`);
  }
  return found;
}

interface ModuleCall {
  readonly pid: number;
  /** `C_Sign` and kin. */
  readonly name: string;
  readonly returnValue: number;
}

export interface FaultyToken {
  readonly hsm: SoftHsm;
  readonly token: SoftHsmToken;
  /** `pkcs11:` URI of the key, through the faulty module. */
  readonly uri: string;
  /** From now on the module misbehaves so; no line: it behaves. */
  setFaults(...lines: readonly string[]): void;
  /** The calls so far, or those of one function. */
  calls(name?: string): ModuleCall[];
}

let built: Promise<Buffer> | undefined;

async function buildModule(folder: string): Promise<Buffer> {
  const path = join(folder, 'build.so');
  const source = join(ROOT, 'test/fault-module/fault.c');
  const flags = [
    '-Wall',
    '-Wextra',
    '-Werror',
    '-O2',
    '-shared',
    '-fPIC',
    '-I/usr/include/p11-kit-1',
  ];
  await mustRun('gcc', [
    ...flags,
    `-DSOFTHSM_PATH="${SOFTHSM_MODULE}"`,
    '-o',
    path,
    source,
    '-ldl',
  ]);
  return readFileSync(path);
}

/** A token `acme` with a key `k`. */
export async function createFaultyToken(
  scope: Scope,
  type: ToolKeyType = 'EC:prime256v1',
): Promise<FaultyToken> {
  const hsm = await createSoftHsm(scope);
  const token = await hsm.addToken('acme');
  const key: SoftHsmKey = { label: 'k', id: '01', type };
  await hsm.addKey(token, key);
  const module = join(hsm.folder, 'fault.so');
  built ??= buildModule(hsm.folder);
  writeFileSync(module, await built);
  const calls = join(hsm.folder, 'calls');
  return {
    hsm,
    token,
    uri: hsm.uri(token, { label: 'k' }).replace(SOFTHSM_MODULE, module),
    setFaults(...lines): void {
      const path = join(hsm.folder, 'faults');
      // A new inode each time: the module sees every change.
      writeFileSync(`${path}.new`, lines.map((line) => `${line}\n`).join(''));
      renameSync(`${path}.new`, path);
    },
    calls: (name) =>
      (existsSync(calls) ? parseCalls(readFileSync(calls, 'utf8')) : []).filter(
        (call) => name === undefined || call.name === name,
      ),
  };
}

function parseCalls(text: string): ModuleCall[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [pid = '', name = '', returnValue = ''] = line.split(' ');
      return { pid: Number(pid), name, returnValue: Number(returnValue) };
    });
}
