import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isNonce, MAX_NONCE_LENGTH } from '../../../src/jose/nonce.js';

describe('isNonce', () => {
  it('takes base64url characters up to a length', () => {
    for (const text of ['a', 'AZaz09-_', 'n'.repeat(MAX_NONCE_LENGTH)]) {
      assert.equal(isNonce(text), true, text);
    }
    assert.equal(MAX_NONCE_LENGTH, 1024);
  });

  it('refuses all else', () => {
    for (const text of ['', 'a=', ' a', 'a\n', 'a+', 'a/b', 'ä', 'n'.repeat(1025)]) {
      assert.equal(isNonce(text), false, JSON.stringify(text));
    }
  });
});
