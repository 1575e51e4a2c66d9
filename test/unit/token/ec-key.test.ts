// EC public keys as tokens show them: both wrappings of a point, every supported curve, and damage.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jwkOfKey, type EcPublicJwk, type OkpPublicJwk } from '../../../src/jose/public-jwk.js';
import { ecJwkOf, paramsOfCurve } from '../../../src/token/ec-key.js';
import { appErrorOf } from '../../support/app-error.js';
import { makeKeyPair } from '../../support/key-pair.js';

const CURVES = ['P-256', 'P-384', 'P-521'] as const;

function newKey(curve: (typeof CURVES)[number]): { jwk: EcPublicJwk; point: Buffer } {
  const jwk = jwkOfKey(makeKeyPair('ec', { namedCurve: curve }).publicKey);
  assert.equal(jwk.kty, 'EC');
  const coordinates = [jwk.x, jwk.y].map((text) => Buffer.from(text, 'base64url'));
  return { jwk, point: Buffer.concat([Buffer.of(4), ...coordinates]) };
}

function newEdwardsKey(type: 'ed25519' | 'ed448'): { jwk: OkpPublicJwk; point: Buffer } {
  // TypeScript knows each type's own overload only.
  const { publicKey } = type === 'ed25519' ? makeKeyPair(type) : makeKeyPair(type);
  const jwk = jwkOfKey(publicKey);
  assert.equal(jwk.kty, 'OKP');
  return { jwk, point: Buffer.from(jwk.x, 'base64url') };
}

/** The DER OCTET STRING around a point, PKCS#11 2.40 §2.3.3. */
function wrap(point: Buffer): Buffer {
  const length = point.length < 128 ? [point.length] : [0x81, point.length];
  return Buffer.concat([Buffer.of(4, ...length), point]);
}

describe('EC public key of a token', () => {
  for (const curve of CURVES) {
    it(`${curve}: wrapped as in PKCS#11 2.40, and bare as in some 3.x modules`, () => {
      const { jwk, point } = newKey(curve);
      assert.deepEqual(ecJwkOf(paramsOfCurve(curve), wrap(point)), jwk);
      assert.deepEqual(ecJwkOf(paramsOfCurve(curve), point), jwk);
    });

    it(`${curve}: a damaged point is refused`, async () => {
      const { point } = newKey(curve);
      const wrapped = wrap(point);
      const damaged = [
        Buffer.alloc(0),
        point.subarray(0, -1),
        Buffer.concat([point, Buffer.of(0)]),
        Buffer.concat([Buffer.of(2), point.subarray(1)]),
        Buffer.concat([Buffer.of(5), wrapped.subarray(1)]),
        // What tpm2-pkcs11 1.9.0 shows for P-521: 04 85 04 ..., a length of the wrong form.
        Buffer.concat([Buffer.of(4, 0x85), point.subarray(0, -1)]),
      ];
      for (const bytes of damaged) {
        await appErrorOf(() => ecJwkOf(paramsOfCurve(curve), bytes), 'TOKEN_KEY_UNSUPPORTED');
      }
    });
  }

  for (const [type, curve, name, pointBytes] of [
    ['ed25519', 'Ed25519', 'edwards25519', 32],
    ['ed448', 'Ed448', 'edwards448', 57],
  ] as const) {
    it(`${curve}: by OID and by name; wrapped, as a bit string, and bare`, () => {
      const { jwk, point } = newEdwardsKey(type);
      assert.equal(point.length, pointBytes);
      const byName = Buffer.concat([Buffer.of(0x13, name.length), Buffer.from(name)]);
      const bits = Buffer.concat([Buffer.of(3, pointBytes + 1, 0), point]);
      for (const params of [paramsOfCurve(curve), byName]) {
        for (const form of [point, wrap(point), bits]) {
          assert.deepEqual(ecJwkOf(params, form), jwk);
        }
      }
    });

    it(`${curve}: a bare point that looks like a wrapped one is what its length says`, () => {
      const point = Buffer.alloc(pointBytes, 1);
      point.set([4, pointBytes - 2]);
      const jwk = ecJwkOf(paramsOfCurve(curve), point);
      assert.equal(jwk.x, point.toString('base64url'));
    });

    it(`${curve}: a damaged point is refused`, async () => {
      const { point } = newEdwardsKey(type);
      for (const bytes of [
        Buffer.alloc(0),
        point.subarray(1),
        Buffer.concat([point, Buffer.of(0)]),
        Buffer.concat([Buffer.of(5, pointBytes), point]),
        Buffer.concat([Buffer.of(3, pointBytes + 1, 7), point]),
      ]) {
        await appErrorOf(() => ecJwkOf(paramsOfCurve(curve), bytes), 'TOKEN_KEY_UNSUPPORTED');
      }
    });
  }

  it('on another curve is refused, naming its parameters', async () => {
    const secp256k1 = Buffer.from('06052b8104000a', 'hex');
    const error = await appErrorOf(
      () => ecJwkOf(secp256k1, Buffer.alloc(65, 4)),
      'TOKEN_KEY_UNSUPPORTED',
    );
    assert.match(error.message, /06052b8104000a/);
  });
});
