// Runs in the token helper: the calls of a signature, each tried a second time after one failure:
// when an earlier operation is still active, and when the buffer is too small. clavigerd decides
// about all other failures.

import type pkcs11js from 'pkcs11js';
import { AppError } from '../lib/errors.js';
import type { Session } from './attributes.js';
import { callToken, pkcs11FailureOf } from './pkcs11-failure.js';

/** Never empty, which would ask pkcs11js for the length. RSA-8192 fits. */
const output = Buffer.alloc(1024);
const LARGER_OUTPUT_BYTES = 64 * 1024;

/**
 * C_SignInit. An operation that is active already is ended by a C_Sign whose result is dropped, and
 * C_SignInit is tried once more: PKCS#11 2.40 has no other way to end it.
 * @throws AppError TOKEN_*
 */
export function beginSignature(
  { lib, handle }: Session,
  mechanism: pkcs11js.Mechanism,
  key: pkcs11js.Handle,
): void {
  const begin = (): void => {
    lib.C_SignInit(handle, mechanism, key);
  };
  try {
    begin();
  } catch (error) {
    if (pkcs11FailureOf(error).name === 'CKR_OPERATION_ACTIVE') {
      endOperation(lib, handle);
      callToken('C_SignInit', begin);
    } else {
      callToken('C_SignInit', () => {
        throw error;
      });
    }
  }
}

/**
 * C_Sign, once more with a larger buffer where the module asks for one: the operation is still
 * active then (PKCS#11 2.40 §5.2).
 * @throws AppError TOKEN_*
 */
export function finishSignature({ lib, handle }: Session, data: Buffer): Buffer {
  let signature: Buffer;
  try {
    signature = lib.C_Sign(handle, data, output);
  } catch (error) {
    signature = callToken('C_Sign', () => {
      if (pkcs11FailureOf(error).name !== 'CKR_BUFFER_TOO_SMALL') {
        throw error;
      }
      return lib.C_Sign(handle, data, Buffer.alloc(LARGER_OUTPUT_BYTES));
    });
  }
  if (signature.length === 0) {
    throw new AppError('TOKEN_FAILED', 'token: C_Sign: gave an empty signature');
  }
  // A copy: the next signature is written to the same memory.
  return Buffer.from(signature);
}

function endOperation(lib: pkcs11js.PKCS11, handle: pkcs11js.Handle): void {
  try {
    lib.C_Sign(handle, Buffer.alloc(1), output);
  } catch {
    // A failure ends the operation as well.
  }
}
