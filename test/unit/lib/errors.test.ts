import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AppError,
  asAppError,
  hintLineOf,
  isAppError,
  messageOf,
  rephrase,
  systemCodeOf,
} from '../../../src/lib/errors.js';

describe('isAppError', () => {
  it('looks at the code where one is named', () => {
    const error = new AppError('SYS_FILE', 'file: no');
    assert.equal(isAppError(error), true);
    assert.equal(isAppError(error, 'SYS_FILE'), true);
    assert.equal(isAppError(error, 'SYS_PATH'), false);
    assert.equal(isAppError(new Error('file: no')), false);
    assert.equal(isAppError(undefined), false);
  });
});

describe('asAppError', () => {
  it('leaves an AppError as it is', () => {
    const error = new AppError('SYS_FILE', 'file: no', { hint: 'write it' });
    assert.equal(asAppError(error, 'KEY_PIN', 'PIN'), error);
  });

  it('gives any other error the code, and itself as the cause', () => {
    const thrown = new Error('no');
    const error = asAppError(thrown, 'KEY_PIN');
    assert.deepEqual([error.code, error.message, error.cause], ['KEY_PIN', 'no', thrown]);
    assert.equal(asAppError(thrown, 'KEY_PIN', 'PIN').message, 'PIN: no');
    assert.equal(asAppError('text', 'KEY_PIN').message, 'text');
  });
});

describe('rephrase', () => {
  it('changes what is given, and keeps the rest', () => {
    const error = new AppError('SYS_FILE', 'file: no', { hint: 'write it' });
    const other = rephrase(error, { message: 'log: file: no' });
    assert.deepEqual(
      [other.code, other.message, other.hint, other.cause],
      ['SYS_FILE', 'log: file: no', 'write it', error],
    );
    const hinted = rephrase(error, { hint: 'remove it' });
    assert.deepEqual([hinted.message, hinted.hint], ['file: no', 'remove it']);
  });
});

describe('what is known of a thrown value', () => {
  it('is its message', () => {
    assert.equal(messageOf(new Error('no')), 'no');
    assert.equal(messageOf(7), '7');
  });

  it('is the code of a system error', () => {
    assert.equal(systemCodeOf(Object.assign(new Error('no'), { code: 'ENOENT' })), 'ENOENT');
    assert.equal(systemCodeOf(Object.assign(new Error('no'), { code: 7 })), undefined);
    assert.equal(systemCodeOf({ code: 'ENOENT' }), undefined);
    assert.equal(systemCodeOf(new Error('no')), undefined);
  });

  it('is the first line of its hint', () => {
    assert.equal(hintLineOf(new AppError('SYS_FILE', 'no', { hint: 'a\nb' })), 'a');
    assert.equal(hintLineOf(new AppError('SYS_FILE', 'no')), undefined);
    assert.equal(hintLineOf(new Error('no')), undefined);
  });
});
