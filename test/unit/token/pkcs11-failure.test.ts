// What pkcs11js throws, in all its forms, as one kind of error.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '../../../src/lib/error-codes.js';
import { callToken, pkcs11FailureOf } from '../../../src/token/pkcs11-failure.js';
import { returnValueOf } from '../../../src/token/token-error.js';
import { appErrorOf } from '../../support/app-error.js';

function wrapped(name: string, code: number): Error {
  return Object.assign(new Error(name), { code, method: 'C_Sign' });
}

describe('failures of pkcs11js', () => {
  it('have a name and a number, in either form', () => {
    assert.deepEqual(pkcs11FailureOf(wrapped('CKR_PIN_INCORRECT', 160)), {
      name: 'CKR_PIN_INCORRECT',
      value: 160,
    });
    assert.deepEqual(pkcs11FailureOf(new Error('CKR_OBJECT_HANDLE_INVALID:130')), {
      name: 'CKR_OBJECT_HANDLE_INVALID',
      value: 130,
    });
    assert.deepEqual(pkcs11FailureOf(new Error('CKR_GENERAL_ERROR')), {
      name: 'CKR_GENERAL_ERROR',
      value: undefined,
    });
    assert.equal(pkcs11FailureOf(new TypeError('Argument has wrong type')).name, undefined);
  });

  it('get back the names of PKCS#11 3.0 that pkcs11js does not know', () => {
    assert.equal(
      pkcs11FailureOf(wrapped('CKR_VENDOR_DEFINED', 0x140)).name,
      'CKR_CURVE_NOT_SUPPORTED',
    );
    assert.equal(
      pkcs11FailureOf(wrapped('CKR_VENDOR_DEFINED', 0x80000001)).name,
      'CKR_VENDOR_DEFINED',
    );
  });

  const codes: readonly (readonly [string, ErrorCode])[] = [
    ['CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'],
    ['CKR_PIN_LEN_RANGE', 'TOKEN_PIN_INCORRECT'],
    ['CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED'],
    ['CKR_PIN_EXPIRED', 'TOKEN_PIN_LOCKED'],
    ['CKR_DEVICE_REMOVED', 'TOKEN_ABSENT'],
    ['CKR_TOKEN_NOT_PRESENT', 'TOKEN_ABSENT'],
    ['CKR_DEVICE_ERROR', 'TOKEN_FAILED'],
    ['CKR_SESSION_HANDLE_INVALID', 'TOKEN_FAILED'],
  ];
  for (const [name, code] of codes) {
    it(`${name} becomes ${code}`, async () => {
      const call = (): never => {
        throw wrapped(name, 0xa0);
      };
      const error = await appErrorOf(() => callToken('C_Sign', call), code);
      assert.equal(returnValueOf(error), name);
      assert.equal(error.message, `token: C_Sign: ${name} (0xa0)`);
    });
  }

  it('that are none of PKCS#11 keep their words', async () => {
    const call = (): never => {
      throw new TypeError('PKCS11 module not loaded yet');
    };
    const error = await appErrorOf(() => callToken('C_Login', call), 'TOKEN_FAILED');
    assert.match(error.message, /C_Login: PKCS11 module not loaded yet/);
  });
});
