// A TPM 2.0 in software (swtpm) with a token of tpm2-pkcs11 on it. Used by test processes only. No
// resource manager: one process at a time, which has to finalize the module. What one that was
// killed left in the TPM, `flush` removes.

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, isFreePort } from '../free-port.js';
import { plainly, writePin, type ModuleBed } from './module-bed.js';
import { mustRun, startProcess } from '../process.js';
import type { Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';
import { multiarchLibrary } from './multiarch.js';

interface TpmBed extends ModuleBed {
  readonly pin: string;
  /** Empties the memory of the TPM: objects and sessions of processes that did not finalize. */
  flush(): Promise<void>;
}

const TOKEN = 'tpm';

/** Starts a TPM and makes a token. */
export async function startTpm(scope: Scope): Promise<TpmBed> {
  const folder = await makeTempDir(scope, 'cvtpm-');
  const state = join(folder, 'state');
  const store = join(folder, 'store');
  mkdirSync(state);
  mkdirSync(store);
  const { port, control } = await freePair();
  await startProcess(scope, {
    command: 'swtpm',
    args: [
      ...['socket', '--tpm2', '--tpmstate', `dir=${state}`],
      ...['--ctrl', `type=tcp,port=${control}`, '--server', `type=tcp,port=${port}`],
      ...['--flags', 'not-need-init,startup-clear'],
    ],
    waitFor: { port: control },
  });
  const tcti = `swtpm:host=127.0.0.1,port=${port}`;
  const env = { TPM2_PKCS11_STORE: store, TPM2_PKCS11_TCTI: tcti, TPM2TOOLS_TCTI: tcti };
  const pin = randomBytes(6).toString('hex');
  const soPin = randomBytes(6).toString('hex');
  const tool = ['--module', multiarchLibrary('pkcs11/libtpm2_pkcs11.so')];
  const initialise = ['--slot-index', '0', '--init-token', '--label', TOKEN, '--so-pin', soPin];
  await mustRun('pkcs11-tool', [...tool, ...initialise], { env });
  const login = ['--token-label', TOKEN, '--login', '--login-type', 'so', '--so-pin', soPin];
  await mustRun('pkcs11-tool', [...tool, ...login, '--init-pin', '--pin', pin], { env });
  return {
    moduleName: 'tpm2-pkcs11',
    token: `token=${TOKEN}`,
    env,
    pin,
    pinFile: writePin(folder, pin),
    inside: plainly,
    async flush() {
      for (const kind of ['--transient-object', '--loaded-session', '--saved-session']) {
        await mustRun('tpm2_flushcontext', [kind], { env });
      }
    },
  };
}

/** The TCTI takes the control port to be the one after the other. */
async function freePair(): Promise<{ port: number; control: number }> {
  for (let tries = 0; tries < 100; tries++) {
    const port = await freePort();
    if (await isFreePort(port + 1)) {
      return { port, control: port + 1 };
    }
  }
  throw new Error('no two free ports beside each other');
}
