// Runs in the token helper: loads a PKCS#11 module, initialises it and does so again. Every call
// into the module is synchronous. The module is native code of somebody else: its return values are
// translated; what else it does to this process cannot be prevented here.

import pkcs11js from 'pkcs11js';
import { AppError, messageOf } from '../lib/errors.js';
import { effectiveUserId } from '../sys/user.js';
import type { ModuleQuirks } from './messages.js';
import { noNetworkHint } from './network-reach.js';
import { pkcs11FailureOf } from './pkcs11-failure.js';
import { TokenError } from './token-error.js';

/** @throws AppError TOKEN_MODULE when it is no PKCS#11 library, or does not initialise */
export function loadModule(path: string, quirks: ModuleQuirks): pkcs11js.PKCS11 {
  const lib = new pkcs11js.PKCS11();
  try {
    lib.load(path);
  } catch (error) {
    throw new AppError('TOKEN_MODULE', `module: not a PKCS#11 library: ${messageOf(error)}`, {
      hint: 'module-path= names the shared library of the token, for instance /usr/lib/softhsm/libsofthsm2.so',
      cause: error,
    });
  }
  initialise(lib, quirks);
  return lib;
}

/** C_Finalize, then C_Initialize. @throws AppError TOKEN_MODULE */
export function reinitialise(lib: pkcs11js.PKCS11, quirks: ModuleQuirks): void {
  ignoreFailure(() => {
    lib.C_Finalize();
  });
  initialise(lib, quirks);
}

function initialise(lib: pkcs11js.PKCS11, { parameters, configuration }: ModuleQuirks): void {
  try {
    lib.C_Initialize({
      flags: pkcs11js.CKF_OS_LOCKING_OK,
      // pkcs11js 2.1.7 cuts off the last character.
      ...(parameters !== undefined && { libraryParameters: `${parameters} ` }),
    });
  } catch (error) {
    const { name } = pkcs11FailureOf(error);
    const user = `user ID ${effectiveUserId()}`;
    const place = configuration === undefined ? '' : `: ${configuration}`;
    throw new TokenError('TOKEN_MODULE', `module: C_Initialize: ${name ?? messageOf(error)}`, {
      hint: `the configuration of the module is missing or not readable for ${user}${place}${noNetworkHint()}`,
      returnValue: name,
      cause: error,
    });
  }
}

/** For calls that clean up after a failure: that they fail too is no news. */
export function ignoreFailure(call: () => void): void {
  try {
    call();
  } catch {
    // The next call shows whether it mattered.
  }
}
