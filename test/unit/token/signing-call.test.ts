// The calls of a signature that are tried a second time in the helper. The module is a double.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pkcs11js from 'pkcs11js';
import { beginSignature, finishSignature } from '../../../src/token/signing-call.js';
import { returnValueOf } from '../../../src/token/token-error.js';
import { appErrorOf } from '../../support/app-error.js';

const HANDLE = Buffer.alloc(8);
const DATA = Buffer.from('digest');
const MECHANISM: pkcs11js.Mechanism = { mechanism: pkcs11js.CKM_ECDSA };

class SigningModule extends pkcs11js.PKCS11 {
  readonly calls: string[] = [];
  initFailures: string[] = [];
  signFailures: string[] = [];
  signature = Buffer.alloc(64, 1);

  override C_SignInit(): void {
    this.calls.push('C_SignInit');
    throwNext(this.initFailures);
  }

  override C_Sign(_session: pkcs11js.Handle, data: Buffer, output: Buffer): Buffer {
    this.calls.push(`C_Sign of ${data.length} into ${output.length}`);
    throwNext(this.signFailures);
    return this.signature;
  }
}

function throwNext(names: string[]): void {
  const name = names.shift();
  if (name !== undefined) {
    throw Object.assign(new Error(name), { code: 5, method: 'C_Sign' });
  }
}

describe('beginSignature', () => {
  it('ends an operation that is active already, and begins once more', () => {
    const lib = new SigningModule();
    lib.initFailures = ['CKR_OPERATION_ACTIVE'];
    lib.signFailures = ['CKR_DATA_LEN_RANGE'];
    beginSignature({ lib, handle: HANDLE }, MECHANISM, HANDLE);
    assert.deepEqual(lib.calls, ['C_SignInit', 'C_Sign of 1 into 1024', 'C_SignInit']);
  });

  it('gives up where the operation stays active', async () => {
    const lib = new SigningModule();
    lib.initFailures = ['CKR_OPERATION_ACTIVE', 'CKR_OPERATION_ACTIVE'];
    const error = await appErrorOf(() => {
      beginSignature({ lib, handle: HANDLE }, MECHANISM, HANDLE);
    }, 'TOKEN_FAILED');
    assert.equal(returnValueOf(error), 'CKR_OPERATION_ACTIVE');
    assert.equal(lib.calls.length, 3);
  });

  it('does not try again after another failure', async () => {
    const lib = new SigningModule();
    lib.initFailures = ['CKR_KEY_HANDLE_INVALID'];
    const error = await appErrorOf(() => {
      beginSignature({ lib, handle: HANDLE }, MECHANISM, HANDLE);
    }, 'TOKEN_FAILED');
    assert.match(error.message, /C_SignInit: CKR_KEY_HANDLE_INVALID/);
    assert.deepEqual(lib.calls, ['C_SignInit']);
  });
});

describe('finishSignature', () => {
  it('returns a copy, which the next signature does not overwrite', () => {
    const lib = new SigningModule();
    const signature = finishSignature({ lib, handle: HANDLE }, DATA);
    lib.signature.fill(9);
    assert.deepEqual(signature, Buffer.alloc(64, 1));
  });

  it('tries a larger buffer once where the module asks for one', async () => {
    const lib = new SigningModule();
    lib.signFailures = ['CKR_BUFFER_TOO_SMALL'];
    assert.equal(finishSignature({ lib, handle: HANDLE }, DATA).length, 64);
    assert.deepEqual(lib.calls, ['C_Sign of 6 into 1024', 'C_Sign of 6 into 65536']);
    lib.signFailures = ['CKR_BUFFER_TOO_SMALL', 'CKR_BUFFER_TOO_SMALL'];
    const error = await appErrorOf(
      () => finishSignature({ lib, handle: HANDLE }, DATA),
      'TOKEN_FAILED',
    );
    assert.equal(returnValueOf(error), 'CKR_BUFFER_TOO_SMALL');
  });

  it('fails with what C_Sign returned, and for an empty signature', async () => {
    const lib = new SigningModule();
    lib.signFailures = ['CKR_DEVICE_REMOVED'];
    const sign = (): Buffer => finishSignature({ lib, handle: HANDLE }, DATA);
    assert.match((await appErrorOf(sign, 'TOKEN_ABSENT')).message, /^token: C_Sign: CKR_DEVICE/);
    lib.signature = Buffer.alloc(0);
    const empty = await appErrorOf(sign, 'TOKEN_FAILED');
    assert.equal(empty.message, 'token: C_Sign: gave an empty signature');
  });
});
