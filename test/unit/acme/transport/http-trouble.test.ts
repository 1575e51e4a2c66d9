import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  connectionError,
  HttpTrouble,
  timedOut,
  tooLarge,
} from '../../../../src/acme/transport/http-trouble.js';

const SERVER = new URL('https://ca.example:14000/dir');

function failed(code: string | undefined, message = 'no'): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

function troubleOf(error: unknown, isSent = false): HttpTrouble {
  const trouble = connectionError(SERVER, error, isSent);
  assert.ok(trouble instanceof HttpTrouble);
  return trouble;
}

describe('connectionError', () => {
  for (const code of [
    ...['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'],
    ...['EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL', 'EAI_AGAIN', 'ENOTFOUND', 'ETIMEDOUT'],
    'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR',
  ]) {
    it(`takes ${code} for trouble that passes`, () => {
      assert.equal(troubleOf(failed(code)).isPassing, true);
    });
  }

  for (const code of ['CERT_HAS_EXPIRED', 'EPROTO', 'ALERT_INTERNAL_ERROR_X', undefined]) {
    it(`takes ${String(code)} for trouble that stays`, () => {
      assert.equal(troubleOf(failed(code)).isPassing, false);
    });
  }

  it('names the host, keeps the cause, and says whether the request was sent', () => {
    const cause = failed('ECONNRESET', 'socket hang up\u001b[2J');
    const trouble = troubleOf(cause, true);
    assert.equal(trouble.code, 'ACME_CONNECTION');
    assert.equal(trouble.message, 'ca.example:14000: socket hang up\\u001b[2J');
    assert.deepEqual([trouble.isSent, trouble.cause], [true, cause]);
    assert.equal(troubleOf(cause, false).isSent, false);
  });

  it('looks into an AggregateError for the first code and all messages', () => {
    const parts = [failed('ECONNREFUSED', 'refused by ::1'), failed('EPROTO', 'refused by v4')];
    const trouble = troubleOf(new AggregateError(parts, ''));
    assert.equal(trouble.message, 'ca.example:14000: refused by ::1; refused by v4');
    assert.equal(trouble.isPassing, true);
    assert.equal(trouble.hint, 'nothing listens there: check --server');
    assert.equal(troubleOf(new AggregateError([], 'none')).message, 'ca.example:14000: none');
  });

  it('takes headers that are too large for an answer that is not to be used', () => {
    const error = connectionError(SERVER, failed('HPE_HEADER_OVERFLOW'), true);
    assert.equal(error instanceof HttpTrouble, false);
    assert.deepEqual(
      [error.code, error.message],
      ['ACME_INVALID', 'ca.example:14000: the answer is too large'],
    );
    assert.equal(tooLarge(SERVER).message, error.message);
  });

  for (const [hint, codes] of [
    [
      /--server-ca-file/,
      [
        ...['SELF_SIGNED_CERT_IN_CHAIN', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
        ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
        'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      ],
    ],
    [/clock/, ['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']],
    [/other names/, ['ERR_TLS_CERT_ALTNAME_INVALID']],
    [
      /does not speak HTTPS/,
      ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'EPROTO'],
    ],
    [/does not resolve/, ['ENOTFOUND', 'EAI_AGAIN']],
    [/nothing listens/, ['ECONNREFUSED']],
  ] as const) {
    for (const code of codes) {
      it(`has a hint for ${code}`, () => {
        assert.match(troubleOf(failed(code)).hint ?? '', hint);
      });
    }
  }

  it('has no hint for others', () => {
    assert.equal(troubleOf(failed('ECONNRESET')).hint, undefined);
  });
});

describe('timedOut', () => {
  it('is trouble that passes', () => {
    const trouble = timedOut(SERVER, 'no connection within 10 s', true);
    assert.equal(trouble.code, 'ACME_TIMEOUT');
    assert.equal(trouble.message, 'ca.example:14000: no connection within 10 s');
    assert.deepEqual([trouble.isSent, trouble.isPassing], [true, true]);
    assert.equal(timedOut(SERVER, 'late', false).isSent, false);
  });
});
