import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jwkOfKey, jwkThumbprint } from '../../../src/jose/public-jwk.js';
import {
  noGreeting,
  parseFirstLine,
  parseJwkLine,
  readGreeting,
} from '../../../src/protocol/signer-greeting.js';
import { makeKey } from '../../support/keys/keys.js';

const JWK = jwkOfKey(makeKey('ES256').publicKey);
const THUMBPRINT = jwkThumbprint(JWK);
const KEY_ID = 'https://ca.example/acct/1';

describe('noGreeting', () => {
  it('quotes the first line that is not empty', () => {
    const { code, message } = noGreeting(Buffer.from('\r\n \nWelcome "you"\nto this host\n'));
    assert.equal(code, 'PROTO_GREETING');
    assert.equal(message, String.raw`signer: says "Welcome \"you\"" in place of its greeting`);
    assert.match(noGreeting(Buffer.from('')).message, /says "" in place/);
    assert.ok(noGreeting(Buffer.from('x'.repeat(1000))).message.length < 300);
  });
});

describe('parseFirstLine', () => {
  it('gives the details, or nothing where there are none', () => {
    assert.deepEqual(parseFirstLine(Buffer.from('1 OK {"alg":"x"}')), { alg: 'x' });
    for (const text of ['1 OK', '1 OK ', '1 OK x', '1 OK [1]', '1 OK "x"']) {
      assert.equal(parseFirstLine(Buffer.from(text)), undefined, text);
    }
  });

  for (const [text, message] of [
    ['2 OK {}', 'signer: speaks protocol version 2, and claviger speaks 1'],
    ['10 OK', 'signer: speaks protocol version 10, and claviger speaks 1'],
    ['1 NO', 'signer: says "1 NO" in place of its greeting'],
    ['1 OKx', 'signer: says "1 OKx" in place of its greeting'],
    [' 1 OK', 'signer: says " 1 OK" in place of its greeting'],
    ['1234567890 OK', 'signer: says "1234567890 OK" in place of its greeting'],
  ] as const) {
    it(`refuses ${text}`, () => {
      assert.throws(() => parseFirstLine(Buffer.from(text)), { code: 'PROTO_GREETING', message });
    });
  }
});

describe('parseJwkLine', () => {
  it('gives the JWK, or nothing for an empty object', () => {
    assert.deepEqual(parseJwkLine(Buffer.from(JSON.stringify(JWK))), JWK);
    assert.equal(parseJwkLine(Buffer.from('{}')), undefined);
  });

  for (const [text, message] of [
    ['', 'signer: the second line of its greeting is no JWK'],
    ['[]', 'signer: the second line of its greeting is no JWK'],
    ['{"kty":"oct"}', 'signer: jwk: kty is none of RSA, EC and OKP'],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseJwkLine(Buffer.from(text)), { code: 'PROTO_GREETING', message });
    });
  }
});

describe('readGreeting', () => {
  it('takes the algorithm of the key, else RS256', () => {
    assert.equal(readGreeting(undefined, JWK).algorithm, 'ES256');
    assert.equal(readGreeting({ alg: 'ES256' }, JWK).algorithm, 'ES256');
    const extra = { kid: KEY_ID, 'jwk-thumbprint': THUMBPRINT };
    assert.equal(readGreeting(extra, undefined).algorithm, 'RS256');
    assert.equal(readGreeting({ ...extra, alg: 'EdDSA' }, undefined).algorithm, 'EdDSA');
  });

  it('takes the texts among the extensions', () => {
    const extensionsOf = (extensions: readonly (string | number)[] | string): string[] => [
      ...readGreeting({ extensions }, JWK).extensions,
    ];
    assert.deepEqual(extensionsOf(['ping', 1, 'x']), ['ping', 'x']);
    assert.deepEqual(extensionsOf('ping'), []);
    assert.deepEqual([...readGreeting(undefined, JWK).extensions], []);
  });

  it('takes a key ID of 2048 printable characters', () => {
    const kid = `https://${'a'.repeat(2040)}`;
    assert.equal(readGreeting({ kid }, JWK).keyId, kid);
  });

  for (const [name, extra, jwk, message] of [
    ['nothing', undefined, undefined, 'signer: tells neither its public key nor a key ID'],
    ['a key ID too long', { kid: 'a'.repeat(2049) }, JWK, 'signer: its key ID is not a URL'],
    ['a key ID with a blank', { kid: 'a b' }, JWK, 'signer: its key ID is not a URL'],
    ['a key ID beyond ASCII', { kid: 'https://ä' }, JWK, 'signer: its key ID is not a URL'],
    ['no algorithm', { alg: 'none' }, JWK, 'signer: its algorithm "none" is not supported'],
    ['another algorithm', { alg: 'RS256' }, JWK, 'signer: its key cannot be used with RS256'],
    [
      'no thumbprint',
      { kid: KEY_ID },
      undefined,
      'signer: tells neither its public key nor its thumbprint',
    ],
    [
      'a thumbprint cut short',
      { kid: KEY_ID, 'jwk-thumbprint': THUMBPRINT.slice(1) },
      undefined,
      'signer: its thumbprint is not that of its key',
    ],
    [
      'a thumbprint of another alphabet',
      { kid: KEY_ID, 'jwk-thumbprint': `${'+'.repeat(42)}A` },
      undefined,
      'signer: its thumbprint is not that of its key',
    ],
    [
      'the thumbprint of another key',
      { 'jwk-thumbprint': jwkThumbprint(jwkOfKey(makeKey('RS256').publicKey)) },
      JWK,
      'signer: its thumbprint is not that of its key',
    ],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.throws(() => readGreeting(extra, jwk), { code: 'PROTO_GREETING', message });
    });
  }
});
