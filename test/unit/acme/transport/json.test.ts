import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { decodeJson, parseBody, parseOptionalBody } from '../../../../src/acme/transport/json.js';
import { appErrorOf } from '../../../support/app-error.js';
import { httpResponse } from '../../../support/client/scripted-acme.js';

const schema = v.object({ a: v.optional(v.object({ b: v.number() })) });

describe('parseBody', () => {
  it('drops unknown members', () => {
    const body = { a: { b: 1, c: 2 }, d: 3 };
    assert.deepEqual(parseBody(schema, httpResponse({ body }), 'thing'), { a: { b: 1 } });
  });

  for (const [body, message] of [
    ['', /^thing: /],
    ['<html>', /^thing: /],
    ['42', /^thing: /],
    [{ a: { b: 'x' } }, /^thing: a\.b: /],
  ] as const) {
    it(`refuses ${JSON.stringify(body)}`, async () => {
      const error = await appErrorOf(
        () => parseBody(schema, httpResponse({ body }), 'thing'),
        'ACME_INVALID',
      );
      assert.match(error.message, message);
    });
  }
});

describe('parseOptionalBody', () => {
  it('takes no bytes, and blanks alone, for an empty object', () => {
    for (const body of ['', ' \t\r\n']) {
      assert.deepEqual(parseOptionalBody(schema, httpResponse({ body }), 'thing'), {});
    }
  });

  it('reads a body that is there, and refuses what is no JSON', async () => {
    const response = httpResponse({ body: ' {"a":{"b":1}} ' });
    assert.deepEqual(parseOptionalBody(schema, response, 'thing'), { a: { b: 1 } });
    for (const body of ['x', '\u000b']) {
      await appErrorOf(
        () => parseOptionalBody(schema, httpResponse({ body }), 'thing'),
        'ACME_INVALID',
      );
    }
  });
});

describe('decodeJson', () => {
  it('gives undefined for what is none', () => {
    assert.deepEqual(decodeJson(Buffer.from('{"a":1}')), { a: 1 });
    assert.equal(decodeJson(Buffer.from('{"a":')), undefined);
  });
});
