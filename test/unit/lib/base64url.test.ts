import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodeBase64Url, encodeBase64Url, isBase64Url } from '../../../src/lib/base64url.js';

describe('base64url', () => {
  it('encodes and decodes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.deepEqual([...decodeBase64Url(encodeBase64Url(bytes))], [...bytes]);
      }),
    );
  });

  it('accepts one spelling of a byte string only', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        if (isBase64Url(text)) {
          assert.equal(encodeBase64Url(decodeBase64Url(text)), text);
        } else {
          assert.throws(() => decodeBase64Url(text), { code: 'LIB_BASE64URL' });
        }
      }),
    );
  });

  for (const text of ['e30=', 'e31', 'a', 'a+b/', 'e3 0', 'e30\n', 'é', 'e30.']) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(isBase64Url(text), false);
      assert.throws(() => decodeBase64Url(text), { code: 'LIB_BASE64URL' });
    });
  }

  it('respects the bounds of a view', () => {
    const whole = Buffer.from('xxhelloxx');
    assert.equal(encodeBase64Url(whole.subarray(2, 7)), Buffer.from('hello').toString('base64url'));
  });
});
