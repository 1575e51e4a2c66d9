import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { parseSigningInput } from '../../../src/jose/signing-input.js';
import { classifyRequest } from '../../../src/policy/classify.js';
import { makeKey } from '../../support/keys/keys.js';

const JWK = jwkOfKey(makeKey('ES256').publicKey);
const URL = 'https://ca.example/acme/key-change';
const KEY_ID = 'https://ca.example/acct/1';
const INNER = { account: KEY_ID, oldKey: JWK };

function operationOf(header: object, payload: object | undefined): string | undefined {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const bytes = Buffer.from(
    `${part({ alg: 'ES256', url: URL, ...header })}.${payload === undefined ? '' : part(payload)}`,
  );
  return classifyRequest(parseSigningInput(bytes))?.operation;
}

describe('a request without a nonce', () => {
  it('is the inner JWS of a key change, with jwk and its payload (RFC 8555 §7.3.5)', () => {
    assert.equal(operationOf({ jwk: JWK }, INNER), 'key-change-inner');
  });

  for (const [name, header, payload] of [
    ['with kid', { kid: KEY_ID }, INNER],
    ['without a payload', { jwk: JWK }, undefined],
    ['with another payload', { jwk: JWK }, { account: KEY_ID }],
  ] as const) {
    it(`is nothing ${name}`, () => {
      assert.equal(operationOf(header, payload), undefined);
    });
  }
});
