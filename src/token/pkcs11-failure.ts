// Runs in the token helper: translates the several kinds of errors that pkcs11js throws to one, and
// PKCS#11 return values to the error codes that clavigerd decides by.

import { AppError, messageOf } from '../lib/errors.js';
import { TokenError, type TokenErrorCode } from './token-error.js';

/** C_FindObjects and three others throw a plain Error with this text instead of a Pkcs11Error. */
const PLAIN_FORM = /(CKR_\w+):(\d+)/;

/** Return values of PKCS#11 3.0 and later, all of which pkcs11js calls CKR_VENDOR_DEFINED. */
const NAME_OF_VALUE: ReadonlyMap<number, string> = new Map([
  [0x140, 'CKR_CURVE_NOT_SUPPORTED'],
  [0x201, 'CKR_TOKEN_RESOURCE_EXCEEDED'],
  [0x202, 'CKR_OPERATION_CANCEL_FAILED'],
  [0x203, 'CKR_KEY_EXHAUSTED'],
]);

const CODE_OF_NAME: ReadonlyMap<string, TokenErrorCode> = new Map([
  ['CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'],
  ['CKR_PIN_INVALID', 'TOKEN_PIN_INCORRECT'],
  ['CKR_PIN_LEN_RANGE', 'TOKEN_PIN_INCORRECT'],
  ['CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED'],
  ['CKR_PIN_EXPIRED', 'TOKEN_PIN_LOCKED'],
  ['CKR_DEVICE_REMOVED', 'TOKEN_ABSENT'],
  ['CKR_TOKEN_NOT_PRESENT', 'TOKEN_ABSENT'],
  ['CKR_TOKEN_NOT_RECOGNIZED', 'TOKEN_ABSENT'],
]);

interface Pkcs11Failure {
  /** The return value's name, `CKR_...`; undefined for an error that is none of PKCS#11. */
  readonly name: string | undefined;
  /** Its number; undefined where pkcs11js has lost it. */
  readonly value: number | undefined;
}

/** Parses an error of pkcs11js in any of its forms. */
export function pkcs11FailureOf(error: unknown): Pkcs11Failure {
  const message = messageOf(error);
  const plain = PLAIN_FORM.exec(message);
  if (plain !== null) {
    return named(plain[1], Number(plain[2]));
  }
  if (message.startsWith('CKR_')) {
    return named(message, numericCodeOf(error));
  }
  return { name: undefined, value: undefined };
}

function named(name: string | undefined, value: number | undefined): Pkcs11Failure {
  const better = value === undefined ? undefined : NAME_OF_VALUE.get(value);
  return { name: better ?? name, value };
}

function numericCodeOf(error: unknown): number | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') {
    return error.code;
  }
  return undefined;
}

/**
 * Calls PKCS#11 and translates errors.
 * @param what the PKCS#11 function, for the message.
 * @throws AppError TOKEN_*, as the return value says; TOKEN_FAILED for all others.
 */
export function callToken<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { name, value } = pkcs11FailureOf(error);
    if (name === undefined) {
      throw new AppError('TOKEN_FAILED', `token: ${what}: ${messageOf(error)}`, { cause: error });
    }
    const number = value === undefined ? '' : ` (0x${value.toString(16)})`;
    const code = CODE_OF_NAME.get(name) ?? 'TOKEN_FAILED';
    const message = `token: ${what}: ${name}${number}`;
    throw new TokenError(code, message, { cause: error, returnValue: name });
  }
}
