// What a token says of its objects: numbers in the byte order of the machine, and lists without an
// end.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pkcs11js from 'pkcs11js';
import { findObjects, parseULong } from '../../../src/token/attributes.js';
import { listTokens } from '../../../src/token/tokens.js';
import { appErrorOf } from '../../support/app-error.js';

describe('CK_ULONG', () => {
  it('has four or eight bytes, in either byte order', () => {
    const eight = Buffer.from('0000000000001041', 'hex');
    assert.equal(parseULong(eight, 'BE'), 0x1041);
    assert.equal(parseULong(Buffer.from(eight).reverse(), 'LE'), 0x1041);
    assert.equal(parseULong(eight.subarray(4), 'BE'), 0x1041);
    assert.equal(parseULong(Buffer.from(eight.subarray(4)).reverse(), 'LE'), 0x1041);
    assert.equal(parseULong(Buffer.alloc(3)), undefined);
  });

  it('is in the order of this machine unless another is given', () => {
    const bytes = new Uint8Array(new Uint32Array([0x1041]).buffer);
    assert.equal(parseULong(Buffer.from(bytes)), 0x1041);
  });
});

/** A module with more of everything than is believed. */
class EndlessModule extends pkcs11js.PKCS11 {
  finals = 0;

  override C_FindObjectsInit(): void {
    // nothing to begin
  }

  override C_FindObjects(_session: pkcs11js.Handle): pkcs11js.Handle;
  override C_FindObjects(_session: pkcs11js.Handle, count: number): pkcs11js.Handle[];
  override C_FindObjects(
    _session: pkcs11js.Handle,
    count?: number,
  ): pkcs11js.Handle | pkcs11js.Handle[] {
    return count === undefined
      ? Buffer.alloc(8)
      : Array.from({ length: count }, () => Buffer.alloc(8));
  }

  override C_FindObjectsFinal(): void {
    this.finals += 1;
  }

  override C_GetSlotList(): pkcs11js.Handle[] {
    return Array.from({ length: 65 }, () => Buffer.alloc(8));
  }
}

describe('a list that is too long', () => {
  it('of objects is refused, not cut: whether one key alone matches is not known', async () => {
    const lib = new EndlessModule();
    const error = await appErrorOf(
      () => findObjects({ lib, handle: Buffer.alloc(8) }, []),
      'TOKEN_FAILED',
    );
    assert.match(error.message, /more than 4096 objects/);
    assert.equal(lib.finals, 1);
  });

  it('of tokens is refused', async () => {
    const error = await appErrorOf(() => listTokens(new EndlessModule()), 'TOKEN_FAILED');
    assert.match(error.message, /more than 64/);
  });
});
