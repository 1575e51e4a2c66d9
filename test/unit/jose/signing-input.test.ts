import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseSigningInput, peekUrl } from '../../../src/jose/signing-input.js';
import { AppError } from '../../../src/lib/errors.js';

const HEADER = {
  alg: 'ES256',
  nonce: 'bm9uY2U',
  url: 'https://ca.example/x',
  kid: 'https://ca.example/acct/1',
};

function encode(header: unknown, payload = '{}'): Buffer {
  const part = (text: string): string => Buffer.from(text).toString('base64url');
  return Buffer.from(`${part(JSON.stringify(header))}.${part(payload)}`);
}

const WITHOUT_NONCE = { ...HEADER, nonce: undefined };
const WITHOUT_KID = { ...HEADER, kid: undefined };

describe('parseSigningInput', () => {
  it('gives header, payload and the same bytes', () => {
    const bytes = encode(HEADER, '{"csr":"AAAA"}');
    const input = parseSigningInput(bytes);
    assert.equal(input.bytes, bytes);
    assert.deepEqual(input.header, { ...HEADER, jwk: undefined });
    assert.deepEqual(input.payload, { csr: 'AAAA' });
  });

  it('knows the empty payload from the empty object', () => {
    assert.equal(parseSigningInput(encode(HEADER, '')).payload, undefined);
    assert.deepEqual(parseSigningInput(encode(HEADER, '{}')).payload, {});
  });

  it('takes a nonce of any base64url characters: it is opaque, and need not be the spelling of bytes', () => {
    for (const nonce of ['a', 'bm9uY2V', 'Zz_-9', 'n'.repeat(1024)]) {
      assert.equal(parseSigningInput(encode({ ...HEADER, nonce })).header.nonce, nonce);
    }
  });

  it('takes a header without nonce: the inner object of a key change has none', () => {
    assert.equal(parseSigningInput(encode(WITHOUT_NONCE)).header.nonce, undefined);
  });

  for (const [name, header] of [
    ['an unknown member', { ...HEADER, typ: 'JWT' }],
    ['crit', { ...HEADER, crit: ['b64'] }],
    ['a member of another case', { ...HEADER, Alg: 'none' }],
    ['a number as alg', { ...HEADER, alg: 5 }],
    ['an empty url', { ...HEADER, url: '' }],
    ['a null nonce', { ...HEADER, nonce: null }],
    ['a padded nonce', { ...HEADER, nonce: 'bm9uY2U=' }],
    ['an endless nonce', { ...HEADER, nonce: 'n'.repeat(1025) }],
    ['an array as jwk', { ...WITHOUT_KID, jwk: [] }],
    ['neither jwk nor kid', WITHOUT_KID],
    ['both jwk and kid', { ...HEADER, jwk: {} }],
    ['an array', [HEADER]],
  ] as const) {
    it(`refuses a header with ${name}`, () => {
      assert.throws(() => parseSigningInput(encode(header)), { code: 'JOSE_SIGNING_INPUT' });
    });
  }

  for (const [name, bytes, problem] of [
    ['no header', Buffer.from('.e30'), 'protected header: missing'],
    ['no dot', Buffer.from('e30'), 'protected header: missing'],
    [
      'a header of one character',
      Buffer.from('e.e30'),
      'protected header: base64url: not canonical',
    ],
    ['no alg', encode({ ...HEADER, alg: undefined }), 'protected header: alg is missing'],
    ['no url', encode({ ...HEADER, url: undefined }), 'protected header: url is missing'],
    [
      'a text as jwk',
      encode({ ...WITHOUT_KID, jwk: 'x' }),
      'protected header: jwk is not an object',
    ],
    [
      'a number as kid',
      encode({ ...HEADER, kid: 1 }),
      'protected header: kid is not a non-empty string',
    ],
    [
      'neither jwk nor kid',
      encode(WITHOUT_KID),
      'protected header: needs exactly one of jwk and kid',
    ],
    [
      'a nonce of two readings',
      encode({ ...HEADER, nonce: 'a b' }),
      'protected header: nonce is not base64url',
    ],
    ['an unknown member', encode({ ...HEADER, b64: false }), 'protected header: unexpected member'],
    ['a header that is no object', encode('x'), 'protected header: not a JSON object'],
    ['a payload that is no object', encode(HEADER, '[]'), 'payload: not a JSON object'],
    ['a payload that is no JSON', encode(HEADER, '{'), 'payload: json: a member without a name'],
  ] as const) {
    it(`says what is wrong with ${name}`, () => {
      assert.throws(() => parseSigningInput(bytes), {
        code: 'JOSE_SIGNING_INPUT',
        message: problem,
      });
    });
  }

  for (const text of ['', '.', '.e30', 'e30', 'e30.e30.e30', 'e30=.e30', 'é.e30', 'e30.\n']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseSigningInput(Buffer.from(text)), { code: 'JOSE_SIGNING_INPUT' });
    });
  }

  it('keeps the error of the reader as the cause', () => {
    assert.throws(
      () => parseSigningInput(encode(HEADER, '{')),
      (error: unknown) => error instanceof AppError && error.cause instanceof AppError,
    );
  });

  it("never puts the peer's text into the error", () => {
    const evil = { ...HEADER, evil_member_name: 1 };
    assert.throws(
      () => parseSigningInput(encode(evil)),
      (error: unknown) => error instanceof AppError && !error.message.includes('evil'),
    );
  });

  it('throws nothing but JOSE_SIGNING_INPUT, whatever the bytes', () => {
    const nearly = fc.tuple(fc.json(), fc.json()).map(([a, b]) => {
      const part = (text: string): string => Buffer.from(text).toString('base64url');
      return Buffer.from(`${part(a)}.${part(b)}`);
    });
    const anything = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(nearly, anything), (bytes) => {
        try {
          parseSigningInput(bytes);
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === 'JOSE_SIGNING_INPUT');
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('peekUrl', () => {
  it('gives the url of a header that was refused', () => {
    assert.equal(peekUrl(encode({ ...HEADER, typ: 'JWT' })), HEADER.url);
    assert.equal(peekUrl(encode({ url: 'x' }, 'no JSON')), 'x');
  });

  it('gives nothing where there is no such text', () => {
    for (const bytes of [
      encode({ ...HEADER, url: 5 }),
      encode({}),
      encode([]),
      encode('x'),
      Buffer.from('e30'),
      Buffer.from(''),
      Buffer.from('x.e30'),
    ]) {
      assert.equal(peekUrl(bytes), undefined, String(bytes));
    }
  });
});
