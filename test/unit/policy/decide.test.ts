import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { parseSigningInput } from '../../../src/jose/signing-input.js';
import type { JsonObject } from '../../../src/lib/json/json-value.js';
import { classifyRequest, readContent } from '../../../src/policy/classify.js';
import { decideRequest, type PolicyContext } from '../../../src/policy/decide.js';
import { OPERATIONS, type Operation } from '../../../src/policy/operation.js';
import { strictJsonValue } from '../../support/attack/json-text.js';
import { makeKey } from '../../support/keys/keys.js';

const JWK = jwkOfKey(makeKey('ES256').publicKey);
const KEY_ID = 'https://ca.example/acct/1';
const CONTEXT: PolicyContext = {
  algorithm: 'ES256',
  jwk: JWK,
  keyId: undefined,
  allowHttpOnLoopback: false,
  named: undefined,
  now: Date.now,
};
const BY_KID = { alg: 'ES256', nonce: 'bm9uY2U', url: 'https://ca.example/x', kid: KEY_ID };
const BY_JWK = { alg: 'ES256', nonce: 'bm9uY2U', url: 'https://ca.example/x', jwk: JWK };
const INNER = { alg: 'ES256', url: 'https://ca.example/key-change', jwk: JWK };
const JWS = { protected: 'AAAA', payload: 'AAAA', signature: 'AAAA' };
const NAME = { type: 'dns', value: 'a.example' };

function input(header: object, payload: unknown): ReturnType<typeof parseSigningInput> {
  const part = (text: string): string => Buffer.from(text).toString('base64url');
  const body = payload === undefined ? '' : part(JSON.stringify(payload));
  return parseSigningInput(Buffer.from(`${part(JSON.stringify(header))}.${body}`));
}

/** One request of each operation, and variants of it. */
const SAMPLES: readonly (readonly [Operation, object, JsonObject | undefined])[] = [
  ['read', BY_KID, undefined],
  ['find-account', BY_JWK, { onlyReturnExisting: true }],
  ['new-account', BY_JWK, {}],
  ['new-account', BY_JWK, { onlyReturnExisting: false }],
  ['new-account', BY_JWK, { onlyReturnExisting: true, contact: ['mailto:a@example.net'] }],
  ['new-account', BY_JWK, { termsOfServiceAgreed: true, externalAccountBinding: JWS }],
  ['update-account', BY_KID, { contact: ['mailto:a@example.net'] }],
  ['update-account', BY_KID, { contact: [], termsOfServiceAgreed: true }],
  ['update-account', { ...BY_KID, url: KEY_ID }, {}],
  ['deactivate-account', { ...BY_KID, url: KEY_ID }, { status: 'deactivated' }],
  ['deactivate-authorization', BY_KID, { status: 'deactivated' }],
  ['key-change', BY_KID, JWS],
  ['key-change-inner', INNER, { account: KEY_ID, oldKey: { ...JWK } }],
  ['new-order', BY_KID, { identifiers: [NAME] }],
  [
    'new-order',
    BY_KID,
    { identifiers: [NAME], notBefore: 'x', notAfter: 'y', profile: 'p', replaces: 'r' },
  ],
  [
    'new-order',
    BY_KID,
    {
      identifiers: [NAME],
      'auto-renewal': { 'end-date': '2026-12-01T00:00:00Z', lifetime: 86400, 'lifetime-adjust': 1 },
    },
  ],
  ['new-authorization', BY_KID, { identifier: NAME }],
  ['answer-challenge', BY_KID, {}],
  ['finalize', BY_KID, { csr: 'AAAA' }],
  ['revoke-certificate', BY_KID, { certificate: 'AAAA' }],
  ['revoke-certificate', BY_JWK, { certificate: 'AAAA', reason: 4 }],
  ['cancel-order', BY_KID, { status: 'canceled' }],
];

const ALLOWED_BY_KEY_ID: readonly Operation[] = [
  'read',
  'new-order',
  'new-authorization',
  'answer-challenge',
  'finalize',
  'revoke-certificate',
  'cancel-order',
];

const show = (payload: unknown): string =>
  payload === undefined ? 'no payload' : JSON.stringify(payload);

describe('classifyRequest', () => {
  it('has a sample of every operation', () => {
    assert.deepEqual(new Set(SAMPLES.map(([operation]) => operation)), new Set(OPERATIONS));
  });

  for (const [operation, header, payload] of SAMPLES) {
    it(`takes ${show(payload)} for ${operation}`, () => {
      assert.equal(classifyRequest(input(header, payload))?.operation, operation);
    });

    it(`takes ${operation} with a member more for nothing`, () => {
      const more = { ...payload, extra: 1 };
      assert.equal(classifyRequest(input(header, more)), undefined);
    });
  }

  for (const [name, header, payload] of [
    ['two shapes at once', BY_KID, { identifiers: [NAME], status: 'deactivated' }],
    ['a payload-less jwk request', BY_JWK, undefined],
    ['an order by jwk', BY_JWK, { identifiers: [NAME] }],
    ['an account search by kid', BY_KID, { status: 'valid' }],
    ['no identifiers', BY_KID, { identifiers: [] }],
    ['an identifier with a member more', BY_KID, { identifiers: [{ ...NAME, x: 1 }] }],
    ['an identifier that is a list', BY_KID, { identifiers: [['dns', 'a.example']] }],
    ['an identifier of a list value', BY_KID, { identifiers: [{ type: 'dns', value: ['a'] }] }],
    ['a csr that is not base64url', BY_KID, { csr: 'AA==' }],
    ['a reason that is no number', BY_JWK, { certificate: 'AAAA', reason: '1' }],
    ['a reason that no CRL has', BY_JWK, { certificate: 'AAAA', reason: 11 }],
    ['an unknown renewal', BY_KID, { identifiers: [NAME], 'auto-renewal': { anything: 1 } }],
    ['an old key that is none', INNER, { account: KEY_ID, oldKey: { kty: 'RSA' } }],
    ['another case', BY_KID, { Status: 'deactivated' }],
    ['another status', BY_KID, { status: 'revoked' }],
    ['an inner key change with a nonce', BY_JWK, { account: KEY_ID, oldKey: {} }],
    [
      'an inner key change by kid',
      { ...BY_KID, nonce: undefined },
      { account: KEY_ID, oldKey: {} },
    ],
    ['an order without a nonce', { ...BY_KID, nonce: undefined }, { identifiers: [NAME] }],
  ] as const) {
    it(`takes ${name} for nothing`, () => {
      assert.equal(classifyRequest(input(header, payload)), undefined);
    });
  }

  it('tells the names of an order', () => {
    const namesOf = (payload: object): unknown => {
      const request = classifyRequest(input(BY_KID, payload));
      assert.deepEqual(request?.identifiers, []);
      return readContent(request).identifiers;
    };
    const address = { type: 'ip', value: '::1' };
    assert.deepEqual(namesOf({ identifiers: [NAME, address] }), [NAME, address]);
    assert.deepEqual(namesOf({ identifier: NAME }), [NAME]);
  });
});

describe('decideRequest without a key ID', () => {
  for (const [operation, header, payload] of SAMPLES) {
    it(`allows ${operation} ${show(payload)}`, () => {
      const { verdict } = decideRequest(input(header, payload), CONTEXT);
      assert.deepEqual(verdict, { kind: 'approved', rule: 'all-operations' });
    });
  }

  for (const [rule, header, payload] of [
    ['algorithm', { ...BY_KID, alg: 'RS256' }, {}],
    ['algorithm', { ...BY_KID, alg: 'none' }, {}],
    ['own-key', { ...BY_JWK, jwk: { ...JWK, use: 'sig' } }, {}],
    ['own-key', { ...BY_JWK, jwk: jwkOfKey(makeKey('ES256').publicKey) }, {}],
    ['own-key', { ...BY_JWK, jwk: {} }, {}],
    ['nonce', { ...BY_KID, nonce: undefined }, {}],
    ['known-operation', BY_KID, { hello: 'world' }],
    ['url', { ...BY_KID, url: 'http://ca.example/x' }, {}],
  ] as const) {
    it(`refuses by rule ${rule}: ${JSON.stringify(header)}`, () => {
      const { verdict } = decideRequest(input(header, payload), CONTEXT);
      assert.equal(verdict.kind === 'denied' ? verdict.rule : verdict.kind, rule);
    });
  }
});

describe('decideRequest with a key ID', () => {
  const context = { ...CONTEXT, keyId: KEY_ID };

  for (const [operation, header, payload] of SAMPLES) {
    const allowed = ALLOWED_BY_KEY_ID.includes(operation) && 'kid' in header;
    it(`${allowed ? 'allows' : 'refuses'} ${operation} ${show(payload)}`, () => {
      const { verdict } = decideRequest(input(header, payload), context);
      assert.equal(verdict.kind, allowed ? 'approved' : 'denied');
    });
  }

  for (const [name, header] of [
    ['another kid', { ...BY_KID, kid: 'https://ca.example/acct/2' }],
    ['an alias of the kid', { ...BY_KID, kid: `${KEY_ID}/` }],
    ['another host', { ...BY_KID, url: 'https://other.example/x' }],
    ['another port', { ...BY_KID, url: 'https://ca.example:444/x' }],
  ] as const) {
    it(`refuses ${name}`, () => {
      const { verdict } = decideRequest(input(header, undefined), context);
      assert.equal(verdict.kind, 'denied');
    });
  }

  for (const url of [
    KEY_ID,
    `${KEY_ID}?`,
    `${KEY_ID}/`,
    'https://ca.example/%61cct/1',
    'https://ca.example/x/../acct/1',
    'https://ca.example:443/acct/1',
    'https://CA.example/acct/1',
    'https://ca.example//acct/1',
  ]) {
    it(`refuses deactivation by ${url}`, () => {
      const { verdict } = decideRequest(
        input({ ...BY_KID, url }, { status: 'deactivated' }),
        context,
      );
      assert.equal(verdict.kind, 'denied');
    });
  }

  it('never approves what it cannot classify', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), strictJsonValue), (payload) => {
        const request = input(BY_KID, payload);
        const { verdict } = decideRequest(request, context);
        if (classifyRequest(request) === undefined) {
          assert.equal(verdict.kind, 'denied');
        }
      }),
    );
  });
});

describe('a failure inside the decision', () => {
  it('is a refusal of its own kind', () => {
    const broken: PolicyContext = {
      get algorithm(): never {
        throw new Error('broken');
      },
      jwk: JWK,
      keyId: undefined,
      allowHttpOnLoopback: false,
      named: undefined,
      now: Date.now,
    };
    assert.equal(decideRequest(input(BY_KID, {}), broken).verdict.kind, 'failed');
  });
});
