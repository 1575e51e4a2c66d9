// Which mechanism a key signs with, by what its token offers.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Algorithm } from '../../../src/jose/algorithms.js';
import { decideMechanism, mechanismParameter } from '../../../src/token/mechanisms.js';
import { appErrorOf } from '../../support/app-error.js';

/** PKCS#11 2.40 and 3.0, by number: not by the names that the code under test uses. */
const RSA_PKCS = 0x1;
const SHA256_RSA_PKCS = 0x40;
const ECDSA = 0x1041;
const ECDSA_SHA256 = 0x1044;
const ECDSA_SHA384 = 0x1045;
const ECDSA_SHA512 = 0x1046;
const EDDSA = 0x1057;

function decide(algorithm: Algorithm, offered: readonly number[]): readonly [number, string] {
  const { mechanism, takes } = decideMechanism(algorithm, (one) => offered.includes(one));
  return [mechanism, takes];
}

describe('parameter of a mechanism', () => {
  it('is there for Ed448 alone', () => {
    assert.deepEqual(
      mechanismParameter({ kty: 'OKP', crv: 'Ed448', x: '' }),
      Buffer.from('00'.repeat(24), 'hex'),
    );
    assert.equal(mechanismParameter({ kty: 'OKP', crv: 'Ed25519', x: '' }), undefined);
    assert.equal(mechanismParameter({ kty: 'RSA', n: '', e: '' }), undefined);
  });
});

describe('mechanism of a signature', () => {
  const cases: readonly (readonly [Algorithm, readonly number[], readonly [number, string]])[] = [
    ['RS256', [RSA_PKCS], [RSA_PKCS, 'digest-info']],
    ['RS256', [SHA256_RSA_PKCS, RSA_PKCS], [RSA_PKCS, 'digest-info']],
    ['RS256', [SHA256_RSA_PKCS, ECDSA], [SHA256_RSA_PKCS, 'input']],
    ['ES256', [ECDSA_SHA256, ECDSA], [ECDSA, 'digest']],
    ['ES256', [ECDSA_SHA256], [ECDSA_SHA256, 'input']],
    ['ES384', [ECDSA_SHA256, ECDSA_SHA384], [ECDSA_SHA384, 'input']],
    ['ES512', [ECDSA_SHA256, ECDSA_SHA512], [ECDSA_SHA512, 'input']],
    ['EdDSA', [EDDSA], [EDDSA, 'input']],
  ];
  for (const [algorithm, offered, expected] of cases) {
    it(`${algorithm} with ${offered.map((one) => `0x${one.toString(16)}`).join(' ')}`, () => {
      assert.deepEqual(decide(algorithm, offered), expected);
    });
  }

  it('is refused where the token has none, naming what is wanted', async () => {
    const refused: readonly (readonly [Algorithm, readonly number[], RegExp])[] = [
      ['RS256', [ECDSA], /no CKM_RSA_PKCS nor CKM_SHA256_RSA_PKCS/],
      ['ES512', [ECDSA_SHA256, ECDSA_SHA384], /no CKM_ECDSA nor CKM_ECDSA_SHA512/],
      ['EdDSA', [ECDSA, RSA_PKCS], /no CKM_EDDSA/],
    ];
    for (const [algorithm, offered, hint] of refused) {
      const error = await appErrorOf(() => decide(algorithm, offered), 'TOKEN_KEY_UNSUPPORTED');
      assert.match(error.hint ?? '', hint);
    }
  });
});
