// Changing PINs: what is checked before, and what a refusal means. The module is a double.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pkcs11js from 'pkcs11js';
import type { ErrorCode } from '../../../../src/lib/error-codes.js';
import { changePin, logInOfficer, unblockPin } from '../../../../src/token/admin/pin.js';
import type { OpenToken } from '../../../../src/token/attributes.js';
import { returnValueOf } from '../../../../src/token/token-error.js';
import { appErrorOf } from '../../../support/app-error.js';

const HANDLE = Buffer.alloc(8);
const INFO = {
  ...{ label: '', manufacturerID: '', model: '', serialNumber: '', utcTime: '', flags: 0 },
  ...{ maxSessionCount: 0, sessionCount: 0, maxRwSessionCount: 0, rwSessionCount: 0 },
  hardwareVersion: { major: 0, minor: 0 },
  firmwareVersion: { major: 0, minor: 0 },
  ...{ totalPublicMemory: 0, freePublicMemory: 0, totalPrivateMemory: 0, freePrivateMemory: 0 },
};

class PinModule extends pkcs11js.PKCS11 {
  readonly calls: string[] = [];
  limits = { minPinLen: 4, maxPinLen: 8 };
  failure: string | undefined;

  override C_GetTokenInfo(): pkcs11js.TokenInfo {
    return { ...INFO, ...this.limits };
  }

  override C_SetPIN(_session: pkcs11js.Handle, oldPin: string, newPin: string): void {
    this.#record(`C_SetPIN ${oldPin} ${newPin}`);
  }

  override C_InitPIN(_session: pkcs11js.Handle, pin?: string): void {
    this.#record(`C_InitPIN ${pin ?? ''}`);
  }

  override C_Login(_session: pkcs11js.Handle, user: number, pin?: string): void {
    this.#record(`C_Login ${user} ${pin ?? ''}`);
  }

  #record(call: string): void {
    this.calls.push(call);
    if (this.failure !== undefined) {
      throw Object.assign(new Error(this.failure), { code: 5 });
    }
  }
}

function newBed(): { lib: PinModule; token: OpenToken } {
  const lib = new PinModule();
  return { lib, token: { lib, slot: HANDLE, handle: HANDLE } };
}

describe('a new PIN', () => {
  it('is set by the user, or by the security officer', () => {
    const { lib, token } = newBed();
    changePin(token, '1111', '2222');
    unblockPin(token, '33333333');
    logInOfficer(token, '0000');
    assert.deepEqual(lib.calls, ['C_SetPIN 1111 2222', 'C_InitPIN 33333333', 'C_Login 0 0000']);
  });

  it('of a length that the token does not take is refused before any attempt', async () => {
    const { lib, token } = newBed();
    for (const pin of ['', '123', '123456789', 'ääääx']) {
      for (const set of [
        changePin.bind(undefined, token, '1111'),
        unblockPin.bind(undefined, token),
      ]) {
        const error = await appErrorOf(() => {
          set(pin);
        }, 'TOKEN_FAILED');
        assert.equal(error.message, 'token: the new PIN has a length it does not take');
        assert.match(error.hint ?? '', /takes 4 to 8 bytes; nothing was changed/);
      }
    }
    assert.deepEqual(lib.calls, []);
  });

  it('is tried where the limits of the token make no sense', () => {
    for (const limits of [
      { minPinLen: 0, maxPinLen: 0 },
      { minPinLen: 8, maxPinLen: 4 },
    ]) {
      const { lib, token } = newBed();
      lib.limits = limits;
      changePin(token, '1111', '123456');
      assert.equal(lib.calls.length, 1);
    }
  });

  for (const limits of [
    { minPinLen: 6, maxPinLen: 6 },
    { minPinLen: 1, maxPinLen: 6 },
  ]) {
    it(`of ${limits.minPinLen} to ${limits.maxPinLen} bytes is checked against both limits`, async () => {
      const { lib, token } = newBed();
      lib.limits = limits;
      changePin(token, '1111', '123456');
      await appErrorOf(() => {
        changePin(token, '1111', '1234567');
      }, 'TOKEN_FAILED');
      assert.equal(lib.calls.length, 1);
    });
  }

  for (const name of ['CKR_PIN_LEN_RANGE', 'CKR_PIN_INVALID']) {
    it(`that the token refuses by ${name} is no refusal of the old one`, async () => {
      const { lib, token } = newBed();
      lib.failure = name;
      const error = await appErrorOf(() => {
        changePin(token, '1111', '2222');
      }, 'TOKEN_FAILED');
      assert.equal(error.message, `token: it refuses the new PIN (C_SetPIN: ${name})`);
      assert.match(error.hint ?? '', /the PIN is unchanged/);
      assert.equal(returnValueOf(error), name);
    });
  }

  const refusals: readonly (readonly [string, ErrorCode])[] = [
    ['CKR_PIN_INCORRECT', 'TOKEN_PIN_INCORRECT'],
    ['CKR_PIN_LOCKED', 'TOKEN_PIN_LOCKED'],
    ['CKR_DEVICE_ERROR', 'TOKEN_FAILED'],
  ];
  for (const [name, code] of refusals) {
    it(`is not set after ${name}, by one attempt`, async () => {
      const { lib, token } = newBed();
      lib.failure = name;
      const error = await appErrorOf(() => {
        changePin(token, '1111', '2222');
      }, code);
      assert.equal(returnValueOf(error), name);
      assert.equal(lib.calls.length, 1);
    });
  }
});
