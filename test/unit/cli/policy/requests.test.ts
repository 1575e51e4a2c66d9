// The requests of `clavigerd policy test`: a decoded one becomes the very line a client would send.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_REQUEST_BYTES, parseRequestLine } from '../../../../src/cli/policy/requests.js';
import { appErrorOf } from '../../../support/app-error.js';
import { formatSigningInput } from '../../../support/requests/signing-request.js';

const HEADER = { nonce: 'bm9uY2U', alg: 'ES256', kid: 'https://a/1', url: 'https://a/new-order' };
const PAYLOAD = { identifiers: [{ type: 'dns', value: 'www.exämple.org' }] };

function parsed(text: string): string | undefined {
  return parseRequestLine(Buffer.from(text))?.toString();
}

describe('request lines', () => {
  it('are taken as they stand', () => {
    const line = formatSigningInput({ ...HEADER, payload: PAYLOAD });
    assert.equal(parsed(line), line);
    assert.equal(parsed(`${line}\r`), line);
    assert.equal(parsed(' x'), ' x');
  });

  it('may be decoded', () => {
    const text = JSON.stringify({ protected: HEADER, payload: PAYLOAD });
    assert.equal(parsed(text), formatSigningInput({ ...HEADER, payload: PAYLOAD }));
    assert.equal(parsed(`${text}\r`), formatSigningInput({ ...HEADER, payload: PAYLOAD }));
  });

  it('may be decoded without a payload', () => {
    for (const payload of [null, '']) {
      const text = JSON.stringify({ payload, protected: HEADER });
      assert.equal(parsed(text), formatSigningInput(HEADER));
    }
  });

  it('may be empty', () => {
    assert.equal(parsed(''), undefined);
    assert.equal(parsed('\r'), undefined);
  });

  const bad: readonly (readonly [string, string, RegExp])[] = [
    ['no JSON', '{"protected":', /json: no value/],
    ['a member twice', '{"protected":{"alg":"a","alg":"b"},"payload":null}', /twice/],
    ['a foreign member', '{"protected":{},"payload":null,"signature":"x"}', /no other/],
    ['no header', '{"payload":null}', /protected is not an object/],
    ['a header that is a text', '{"protected":"e30","payload":null}', /protected is not an object/],
    ['no payload', '{"protected":{}}', /payload is missing/],
    ['too much', 'x'.repeat(MAX_REQUEST_BYTES), /longer than the 32768 bytes/],
    [
      'too much, decoded',
      JSON.stringify({ protected: {}, payload: { x: 'x'.repeat(30_000) } }),
      /longer than the 32768 bytes/,
    ],
  ];
  for (const [name, text, problem] of bad) {
    it(`are refused with ${name}`, async () => {
      const error = await appErrorOf(() => parsed(text), 'JOSE_SIGNING_INPUT');
      assert.match(error.message, problem);
    });
  }
});
