import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { describe, it } from 'node:test';
import { calculateJwkThumbprint } from 'jose';
import { algorithmOfKey, isAlgorithm } from '../../../src/jose/algorithms.js';
import {
  algorithmOfJwk,
  formatPublicJwk,
  jwkOfKey,
  jwkThumbprint,
  parsePublicJwk,
  publicKeyOfJwk,
} from '../../../src/jose/public-jwk.js';
import { makeKey } from '../../support/keys/keys.js';
import { makeKeyPair } from '../../support/key-pair.js';

// RFC 7638 §3.1
const RFC_7638_JWK = {
  kty: 'RSA',
  n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
  e: 'AQAB',
};
const RFC_7638_THUMBPRINT = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';

describe('public JWK', () => {
  it('has the thumbprint of RFC 7638 §3.1', () => {
    assert.equal(jwkThumbprint(parsePublicJwk(RFC_7638_JWK)), RFC_7638_THUMBPRINT);
  });

  for (const algorithm of ['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const) {
    it(`agrees with another implementation for ${algorithm}`, async () => {
      const { publicKey, privateKey } = makeKey(algorithm);
      const jwk = jwkOfKey(publicKey);
      assert.equal(jwkThumbprint(jwk), await calculateJwkThumbprint({ ...jwk }));
      assert.deepEqual(jwkOfKey(privateKey), jwk);
      assert.deepEqual(parsePublicJwk(JSON.parse(formatPublicJwk(jwk))), jwk);
      assert.ok(publicKeyOfJwk(jwk).equals(publicKey));
      assert.equal(algorithmOfKey(privateKey), algorithm);
    });
  }

  it('writes sorted members without white space', () => {
    assert.match(formatPublicJwk(parsePublicJwk(RFC_7638_JWK)), /^\{"e":"AQAB","kty":"RSA","n":"/);
  });

  const ec = jwkOfKey(makeKey('ES256').publicKey);
  for (const [name, value] of [
    [
      'a private key',
      makeKeyPair('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    ],
    ['an extra member', { ...ec, use: 'sig' }],
    ['a missing member', { crv: 'P-256', kty: 'EC', x: 'AAAA' }],
    ['an unknown curve', { ...ec, crv: 'secp256k1' }],
    ['a point off the curve', { ...ec, x: 'A'.repeat(43) }],
    ['an unknown type', { kty: 'oct', k: 'AAAA' }],
    ['an empty number', { kty: 'RSA', n: '', e: 'AQAB' }],
    ['padding', { kty: 'RSA', n: 'AAAA==', e: 'AQAB' }],
    ['an unknown Edwards curve', { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43) }],
    ['an Edwards point of a wrong length', { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' }],
    ['an array', [ec]],
    ['null', null],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parsePublicJwk(value), { code: 'JOSE_JWK' });
    });
  }
});

describe('the reason why a JWK is refused', () => {
  const ec = jwkOfKey(makeKey('ES256').publicKey);
  const okp = jwkOfKey(makeKeyPair('ed25519').publicKey);
  for (const [value, message] of [
    ['x', 'jwk: not an object'],
    [null, 'jwk: not an object'],
    [[], 'jwk: not an object'],
    [{}, 'jwk: kty is none of RSA, EC and OKP'],
    [{ ...ec, crv: 'P-192' }, 'jwk: crv is not P-256, P-384 or P-521'],
    [{ ...ec, crv: 'Ed25519' }, 'jwk: crv is not P-256, P-384 or P-521'],
    [{ ...ec, d: 'x' }, 'jwk: unexpected member "d"'],
    [{ ...ec, x: '' }, 'jwk: x is not base64url'],
    [{ ...ec, y: 5 }, 'jwk: y is not base64url'],
    [{ ...okp, crv: 'X25519' }, 'jwk: crv is not Ed25519 or Ed448'],
    [{ ...okp, d: 'x' }, 'jwk: unexpected member "d"'],
    [{ kty: 'RSA', n: 'AA==', e: 'AQAB' }, 'jwk: n is not base64url'],
    [{ kty: 'RSA', n: 'AAAA', e: 'AQAB', d: 'x' }, 'jwk: unexpected member "d"'],
  ] as const) {
    it(`is that of ${JSON.stringify(value)}`, () => {
      assert.throws(() => parsePublicJwk(value), { code: 'JOSE_JWK', message });
    });
  }
});

describe('Ed448', () => {
  it('has a JWK and a thumbprint', async () => {
    const { publicKey } = makeKeyPair('ed448');
    const jwk = jwkOfKey(publicKey);
    assert.equal(jwk.kty === 'OKP' ? jwk.crv : '', 'Ed448');
    assert.equal(jwkThumbprint(jwk), await calculateJwkThumbprint({ ...jwk }));
    assert.equal(algorithmOfJwk(jwk), 'EdDSA');
    assert.equal(algorithmOfKey(publicKey), 'EdDSA');
  });
});

describe('algorithmOfKey', () => {
  for (const [name, key] of [
    ['RSA of 1024 bits', makeKeyPair('rsa', { modulusLength: 1024 }).publicKey],
    ['the curve secp256k1', makeKeyPair('ec', { namedCurve: 'secp256k1' }).publicKey],
    ['X25519', makeKeyPair('x25519').publicKey],
    ['DSA', makeKeyPair('dsa', { modulusLength: 2048, divisorLength: 256 }).publicKey],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => algorithmOfKey(createPublicKey(key.export({ type: 'spki', format: 'pem' }))),
        {
          code: 'JOSE_UNSUPPORTED_KEY',
        },
      );
    });
  }

  it('knows the names it supports, and no inherited ones', () => {
    assert.ok(isAlgorithm('ES256'));
    assert.ok(!isAlgorithm('none'));
    assert.ok(!isAlgorithm('constructor'));
  });
});
