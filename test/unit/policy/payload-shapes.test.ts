import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import type { JsonObject } from '../../../src/lib/json/json-value.js';
import { hasShape, type PayloadShape } from '../../../src/policy/payload-shapes.js';
import { makeKey } from '../../support/keys/keys.js';

const NAME = { type: 'dns', value: 'a.example' };
const JWS = { protected: 'AAAA', payload: 'AAAA', signature: 'AAAA' };
const RENEWAL = { 'end-date': '2026-12-01T00:00:00Z', lifetime: 1 };
const OLD_KEY = { ...jwkOfKey(makeKey('ES256').publicKey) };

/** Payloads of a shape, and nearly the same that are of none. */
const CASES: Readonly<
  Record<PayloadShape, { readonly of: readonly JsonObject[]; readonly not: readonly JsonObject[] }>
> = {
  findAccount: {
    of: [{ onlyReturnExisting: true }],
    not: [{}, { onlyReturnExisting: false }, { onlyReturnExisting: 1 }],
  },
  newAccount: {
    of: [
      {},
      { contact: [] },
      { contact: ['mailto:a'], termsOfServiceAgreed: true, onlyReturnExisting: false },
      { externalAccountBinding: JWS },
    ],
    not: [
      { contact: 'mailto:a' },
      { contact: [''] },
      { contact: ['mailto:a', 1] },
      { contact: { length: 0 } },
      { termsOfServiceAgreed: 'true' },
      { onlyReturnExisting: null },
      { externalAccountBinding: { ...JWS, x: 1 } },
      { externalAccountBinding: 'AAAA' },
      { externalAccountBinding: [JWS] },
      { status: 'valid' },
    ],
  },
  updateAccount: {
    of: [{}, { contact: ['mailto:a'], termsOfServiceAgreed: false, onlyReturnExisting: true }],
    not: [{ contact: 5 }, { termsOfServiceAgreed: 0 }, { externalAccountBinding: JWS }],
  },
  deactivate: {
    of: [{ status: 'deactivated' }],
    not: [{}, { status: 'canceled' }, { status: '' }, { status: 'deactivated', contact: [] }],
  },
  keyChange: {
    of: [JWS],
    not: [
      {},
      { ...JWS, protected: '' },
      { ...JWS, payload: 'A=' },
      { ...JWS, signature: 1 },
      { protected: 'AAAA', payload: 'AAAA' },
      { payload: 'AAAA', signature: 'AAAA' },
      { protected: 'AAAA', signature: 'AAAA' },
    ],
  },
  keyChangeInner: {
    of: [{ account: 'https://a', oldKey: OLD_KEY }],
    not: [
      { account: '', oldKey: OLD_KEY },
      { account: 'https://a' },
      { oldKey: OLD_KEY },
      { account: 'https://a', oldKey: { ...OLD_KEY, d: 'AAAA' } },
      { account: 'https://a', oldKey: 'x' },
    ],
  },
  newOrder: {
    of: [
      { identifiers: [NAME] },
      { identifiers: [NAME, NAME], notBefore: 'x', notAfter: 'y', profile: 'p', replaces: 'r' },
      { identifiers: [NAME], 'auto-renewal': RENEWAL },
      {
        identifiers: [NAME],
        'auto-renewal': {
          ...RENEWAL,
          'start-date': 'x',
          'lifetime-adjust': 0,
          'allow-certificate-get': true,
        },
      },
    ],
    not: [
      {},
      { identifiers: [] },
      { identifiers: NAME },
      { identifiers: [NAME, 'a.example'] },
      { identifiers: [{ type: 'dns' }] },
      { identifiers: [{ value: 'a.example' }] },
      { identifiers: [{ type: '', value: 'a' }] },
      { identifiers: [{ type: 'dns', value: '' }] },
      { identifiers: [NAME], notBefore: '' },
      { identifiers: [NAME], notAfter: 1 },
      { identifiers: [NAME], profile: '' },
      { identifiers: [NAME], replaces: [] },
      { identifiers: [NAME], 'auto-renewal': 'x' },
      { identifiers: [NAME], 'auto-renewal': { lifetime: 1 } },
      { identifiers: [NAME], 'auto-renewal': { 'end-date': 'x' } },
      { identifiers: [NAME], 'auto-renewal': { ...RENEWAL, lifetime: -1 } },
      { identifiers: [NAME], 'auto-renewal': { ...RENEWAL, lifetime: '1' } },
      { identifiers: [NAME], 'auto-renewal': { ...RENEWAL, 'lifetime-adjust': 0.5 } },
      { identifiers: [NAME], 'auto-renewal': { ...RENEWAL, 'allow-certificate-get': 1 } },
      { identifiers: [NAME], 'auto-renewal': { ...RENEWAL, 'start-date': '' } },
    ],
  },
  newAuthorization: {
    of: [{ identifier: NAME }],
    not: [{}, { identifier: [NAME] }, { identifier: { ...NAME, x: 1 } }, { identifier: 'a' }],
  },
  answerChallenge: { of: [{}], not: [{ keyAuthorization: 'x' }] },
  finalize: { of: [{ csr: 'AAAA' }], not: [{}, { csr: '' }, { csr: 'A' }, { csr: 1 }] },
  revokeCertificate: {
    of: [
      { certificate: 'AAAA' },
      { certificate: 'AAAA', reason: 0 },
      { certificate: 'AAAA', reason: 10 },
    ],
    not: [
      {},
      { certificate: '' },
      { certificate: 'AAAA', reason: -1 },
      { certificate: 'AAAA', reason: 11 },
      { certificate: 'AAAA', reason: 1.5 },
      { certificate: 'AAAA', reason: '1' },
    ],
  },
  cancelOrder: { of: [{ status: 'canceled' }], not: [{}, { status: 'deactivated' }] },
};

const isShape = (name: string): name is PayloadShape => name in CASES;

for (const name of Object.keys(CASES).filter(isShape)) {
  const { of, not } = CASES[name];
  describe(`the shape ${name}`, () => {
    for (const payload of of) {
      it(`is that of ${JSON.stringify(payload)}`, () => {
        assert.equal(hasShape(payload, name), true);
      });
    }

    for (const payload of [...not, ...of.map((each) => ({ ...each, constructor: 1 }))]) {
      it(`is not that of ${JSON.stringify(payload)}`, () => {
        assert.equal(hasShape(payload, name), false);
      });
    }
  });
}
