// How a module is loaded and initialised. Where one fails, the module is a double.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pkcs11js from 'pkcs11js';
import { effectiveUserId } from '../../../src/sys/user.js';
import { loadModule, reinitialise } from '../../../src/token/module.js';
import { returnValueOf } from '../../../src/token/token-error.js';
import { appErrorOf } from '../../support/app-error.js';

class StartingModule extends pkcs11js.PKCS11 {
  readonly calls: string[] = [];
  failure: Error | undefined;

  override C_Finalize(): void {
    this.calls.push('C_Finalize');
    throw new Error('CKR_CRYPTOKI_NOT_INITIALIZED:400');
  }

  override C_Initialize(options?: pkcs11js.InitializationOptions): void {
    this.calls.push(`C_Initialize ${JSON.stringify(options)}`);
    if (this.failure !== undefined) {
      throw this.failure;
    }
  }
}

describe('loadModule', () => {
  it('refuses a file that is no library', async () => {
    const error = await appErrorOf(() => loadModule('/etc/hostname', {}), 'TOKEN_MODULE');
    assert.match(error.message, /^module: not a PKCS#11 library: /);
    assert.match(error.hint ?? '', /module-path=/);
  });
});

describe('reinitialise', () => {
  it('ends the module, though that may fail, and initialises it with its parameters', () => {
    const lib = new StartingModule();
    reinitialise(lib, {});
    reinitialise(lib, { parameters: "configdir='sql:/x'" });
    const flags = pkcs11js.CKF_OS_LOCKING_OK;
    assert.deepEqual(lib.calls, [
      'C_Finalize',
      `C_Initialize {"flags":${flags}}`,
      'C_Finalize',
      // One character more than wanted: pkcs11js cuts off the last one.
      `C_Initialize {"flags":${flags},"libraryParameters":"configdir='sql:/x' "}`,
    ]);
  });

  it('names the return value, and where the configuration is, when that fails', async () => {
    const lib = new StartingModule();
    lib.failure = Object.assign(new Error('CKR_GENERAL_ERROR'), { code: 5 });
    const failed = (
      configuration?: string,
    ): Promise<{ message: string; hint: string | undefined }> =>
      appErrorOf(() => {
        reinitialise(lib, configuration === undefined ? {} : { configuration });
      }, 'TOKEN_MODULE');
    const error = await failed();
    assert.equal(error.message, 'module: C_Initialize: CKR_GENERAL_ERROR');
    assert.equal(returnValueOf(error), 'CKR_GENERAL_ERROR');
    assert.match(error.hint ?? '', new RegExp(`for user ID ${effectiveUserId()}$`));
    assert.match((await failed('/etc/x.conf')).hint ?? '', /: \/etc\/x\.conf$/);
    lib.failure = new Error('segment missing');
    assert.equal((await failed()).message, 'module: C_Initialize: segment missing');
  });
});
