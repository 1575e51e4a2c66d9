// Where the public half of a key is found when the token has no public object and no certificate
// for it: in the private object. Module calls are answered here, by a stand-in for the library.

import assert from 'node:assert/strict';
import { type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import pkcs11js from 'pkcs11js';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { publicJwkOfPrivateKey } from '../../../src/token/public-key.js';
import { appErrorOf } from '../../support/app-error.js';
import { makeKeyPair } from '../../support/key-pair.js';

const CKA_PUBLIC_KEY_INFO = 0x129;

/** A token with one private key and nothing else. */
class LonelyKey extends pkcs11js.PKCS11 {
  readonly #attributes: ReadonlyMap<number, Buffer>;

  constructor(attributes: ReadonlyMap<number, Buffer>) {
    super();
    this.#attributes = attributes;
  }

  override C_FindObjectsInit(): void {
    // nothing is found
  }

  override C_FindObjects(): pkcs11js.Handle & pkcs11js.Handle[] {
    return Object.assign(Buffer.alloc(0), []);
  }

  override C_FindObjectsFinal(): void {
    // nothing was found
  }

  override C_GetAttributeValue(
    _session: pkcs11js.Handle,
    _object: pkcs11js.Handle,
    [attribute]: pkcs11js.Template,
  ): ReturnType<pkcs11js.PKCS11['C_GetAttributeValue']> {
    const type = attribute?.type ?? 0;
    const value = this.#attributes.get(type);
    if (value === undefined) {
      throw new Error('CKR_ATTRIBUTE_TYPE_INVALID:18');
    }
    return [{ type, value }];
  }
}

function publicJwk(attributes: readonly (readonly [number, Buffer])[]): unknown {
  const session = { lib: new LonelyKey(new Map(attributes)), handle: Buffer.alloc(8) };
  return publicJwkOfPrivateKey(session, Buffer.alloc(8));
}

function infoOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

describe('public key of a private object', () => {
  it('comes from its CKA_PUBLIC_KEY_INFO', () => {
    for (const { publicKey } of [
      makeKeyPair('ec', { namedCurve: 'P-384' }),
      makeKeyPair('rsa', { modulusLength: 2048 }),
      makeKeyPair('ed25519'),
    ]) {
      assert.deepEqual(publicJwk([[CKA_PUBLIC_KEY_INFO, infoOf(publicKey)]]), jwkOfKey(publicKey));
    }
  });

  it('is refused when there is none, or one that is damaged', async () => {
    const { publicKey } = makeKeyPair('ed25519');
    for (const attributes of [
      [],
      [[CKA_PUBLIC_KEY_INFO, Buffer.alloc(0)]],
      [[CKA_PUBLIC_KEY_INFO, infoOf(publicKey).subarray(1)]],
    ] as const) {
      await appErrorOf(() => publicJwk(attributes), 'TOKEN_KEY_UNSUPPORTED');
    }
  });
});
