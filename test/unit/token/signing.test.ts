// The login of a key with CKA_ALWAYS_AUTHENTICATE: with the PIN that logged in, or not at all.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pkcs11js from 'pkcs11js';
import type { PrivateKey } from '../../../src/token/keys.js';
import { signInput } from '../../../src/token/signing.js';
import { appErrorOf } from '../../support/app-error.js';

const HANDLE = Buffer.alloc(8);
const KEY: PrivateKey = {
  handle: HANDLE,
  alwaysAuthenticate: true,
  label: 'k',
  id: '01',
  jwk: { kty: 'EC', crv: 'P-256', x: '', y: '' },
  algorithm: 'ES256',
  signing: { mechanism: pkcs11js.CKM_ECDSA, takes: 'digest' },
};

class RecordingModule extends pkcs11js.PKCS11 {
  readonly calls: string[] = [];

  override C_SignInit(): void {
    this.calls.push('C_SignInit');
  }

  override C_Login(_session: pkcs11js.Handle, _user: number, pin?: string): void {
    this.calls.push(`C_Login ${JSON.stringify(pin)}`);
  }

  override C_Sign(): Buffer {
    this.calls.push('C_Sign');
    return Buffer.alloc(64, 1);
  }
}

describe('a key that wants a PIN for each signature', () => {
  it('gets the PIN of the login, be it the empty one of a PIN pad', () => {
    for (const pin of ['1234', '']) {
      const lib = new RecordingModule();
      signInput({ lib, handle: HANDLE }, KEY, Buffer.from('a.b'), pin);
      assert.deepEqual(lib.calls, ['C_SignInit', `C_Login ${JSON.stringify(pin)}`, 'C_Sign']);
    }
  });

  it('gets no made-up PIN where there was no login', async () => {
    const lib = new RecordingModule();
    await appErrorOf(
      () => signInput({ lib, handle: HANDLE }, KEY, Buffer.from('a.b'), undefined),
      'TOKEN_FAILED',
    );
    assert.deepEqual(lib.calls, []);
  });
});
