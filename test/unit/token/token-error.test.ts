// Failures of a token, on their way from the token helper to clavigerd.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppError } from '../../../src/lib/errors.js';
import { formatMessage, parseReply } from '../../../src/token/messages.js';
import {
  errorOfResult,
  formatErrorResult,
  returnValueOf,
  TokenError,
} from '../../../src/token/token-error.js';
import { appErrorOf } from '../../support/app-error.js';

/** The error as clavigerd throws it, by way of the bytes of a reply. */
function carried(failure: unknown): TokenError {
  const { result } = parseReply(formatMessage({ id: 1, result: formatErrorResult(failure) }));
  assert.equal(result.kind, 'error');
  return errorOfResult(result);
}

describe('an error of the token helper', () => {
  it('keeps code, message, hint and return value', () => {
    const { code, message, hint, returnValue } = carried(
      new TokenError('TOKEN_PIN_LOCKED', 'locked', {
        hint: 'unlock',
        returnValue: 'CKR_PIN_LOCKED',
      }),
    );
    assert.deepEqual(
      [code, message, hint, returnValue],
      ['TOKEN_PIN_LOCKED', 'locked', 'unlock', 'CKR_PIN_LOCKED'],
    );
  });

  it('has no return value where no call into the module failed', () => {
    const { code, hint, returnValue } = carried(new AppError('TOKEN_NOT_FOUND', 'none'));
    assert.deepEqual([code, hint, returnValue], ['TOKEN_NOT_FOUND', undefined, undefined]);
  });

  it('of another kind becomes TOKEN_FAILED', () => {
    assert.equal(carried(new AppError('JOSE_JWK', 'jwk')).code, 'TOKEN_FAILED');
    assert.deepEqual(
      [carried(new TypeError('oops')).code, carried(new TypeError('oops')).message],
      ['TOKEN_FAILED', 'oops'],
    );
    assert.equal(carried('thrown text').message, 'thrown text');
  });

  it('is cut to 4096 characters, and never through one of them', () => {
    const long = carried(
      new AppError('TOKEN_FAILED', 'x'.repeat(5000), { hint: 'y'.repeat(5000) }),
    );
    assert.deepEqual([long.message.length, long.hint?.length], [4096, 4096]);
    assert.equal(carried(new Error('x'.repeat(4096))).message.length, 4096);
    assert.equal(carried(new Error(`${'x'.repeat(4095)}\u{1f511}`)).message, 'x'.repeat(4095));
    assert.equal(carried(new Error('half \ud83d here')).message, 'half \ufffd here');
  });

  it('with texts that are too long, or a return value that is none, is refused', async () => {
    const good = { code: 'TOKEN_FAILED', message: 'm', returnValue: 'CKR_GENERAL_ERROR' };
    const reply = (error: object): Buffer =>
      Buffer.from(JSON.stringify({ id: 1, result: { kind: 'error', error } }));
    assert.equal(parseReply(reply(good)).result.kind, 'error');
    for (const wrong of [
      { ...good, message: 'x'.repeat(4097) },
      { ...good, hint: 'x'.repeat(4097) },
      { ...good, returnValue: 'CKR_' },
      { ...good, returnValue: 'xCKR_OK' },
      { ...good, returnValue: 'CKR_OK\n' },
      { ...good, returnValue: `CKR_${'X'.repeat(61)}` },
      { ...good, code: 'CONFIG_INVALID' },
    ]) {
      await appErrorOf(() => parseReply(reply(wrong)), 'TOKEN_HELPER');
    }
  });
});

describe('returnValueOf', () => {
  it('is undefined for what is no error of a token', () => {
    assert.equal(returnValueOf(new Error('token: C_Login: CKR_PIN_LOCKED')), undefined);
    assert.equal(returnValueOf(undefined), undefined);
  });
});
