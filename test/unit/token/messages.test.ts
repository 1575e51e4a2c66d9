// Messages between daemon and token helper: both sides refuse what is not one, and repeat nothing
// of it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../../src/lib/errors.js';
import {
  formatMessage,
  isMatchingToken,
  parseReply,
  parseRequest,
  type HelperRequest,
  type HelperResult,
  type TokenInfo,
} from '../../../src/token/messages.js';
import { appErrorOf } from '../../support/app-error.js';

const TOKEN: TokenInfo = {
  label: 'acme',
  serial: '01',
  manufacturer: 'm',
  model: 'x',
  slotId: 7,
  initialized: true,
  loginRequired: true,
  pinState: 'ok',
};

const REQUESTS: readonly HelperRequest[] = [
  { op: 'load', module: '/lib/x.so' },
  {
    op: 'load',
    module: '/x.so',
    quirks: { parameters: "configdir='sql:/x'", generateOmits: ['sign', 'label'] },
  },
  { op: 'list-tokens' },
  { op: 'open', token: { label: 'acme', slotId: 3 }, readWrite: false },
  { op: 'login', pin: 'geheim' },
  { op: 'select-key', key: { label: 'k', id: '01ff' } },
  { op: 'sign', input: 'AAAA' },
  { op: 'list-keys', offset: 16 },
  { op: 'generate', type: 'p256', label: 'k', id: '01' },
  { op: 'close' },
];

const RESULTS: readonly HelperResult[] = [
  { kind: 'done' },
  { kind: 'token', token: TOKEN },
  { kind: 'tokens', tokens: [TOKEN] },
  { kind: 'key', key: { label: 'k', id: '01', hasPrivate: true, type: 'P-256' } },
  { kind: 'keys', keys: [], more: false },
  { kind: 'signature', signature: 'AAAA' },
  { kind: 'error', error: { code: 'TOKEN_FAILED', message: 'm', hint: 'h' } },
];

describe('token messages', () => {
  it('come back from their bytes', () => {
    for (const [at, request] of REQUESTS.entries()) {
      assert.deepEqual(parseRequest(formatMessage({ id: at + 1, request })), {
        id: at + 1,
        request,
      });
    }
    for (const [at, result] of RESULTS.entries()) {
      assert.deepEqual(parseReply(formatMessage({ id: at + 1, result })), { id: at + 1, result });
    }
  });

  const malformed: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['no JSON', '{"id":1'],
    ['no object', '[]'],
    ['no id', '{"request":{"op":"close"}}'],
    ['an id that is no number', '{"id":"1","request":{"op":"close"}}'],
    ['an unknown operation', '{"id":1,"request":{"op":"delete-key"}}'],
    ['a missing member', '{"id":1,"request":{"op":"sign"}}'],
    ['a member too many', '{"id":1,"request":{"op":"close","now":true}}'],
    ['a wrong type', '{"id":1,"request":{"op":"login","pin":1234}}'],
    ['an ID that is no hexadecimal', '{"id":1,"request":{"op":"select-key","key":{"id":"0g"}}}'],
    ['half a byte', '{"id":1,"request":{"op":"select-key","key":{"id":"012"}}}'],
    ['an input that is no base64', '{"id":1,"request":{"op":"sign","input":"***"}}'],
    ['an unknown key type', '{"id":1,"request":{"op":"generate","type":"dsa","label":"","id":""}}'],
    ['a text too long', `{"id":1,"request":{"op":"login","pin":"${'1'.repeat(2000)}"}}`],
  ];
  for (const [what, text] of malformed) {
    it(`are refused by the helper with ${what}`, async () => {
      await appErrorOf(() => parseRequest(Buffer.from(text)), 'TOKEN_HELPER');
    });
  }

  it('are refused by the daemon when a helper invents something', async () => {
    for (const result of [
      { kind: 'pin' },
      { kind: 'done', extra: 1 },
      { kind: 'signature', signature: 'no base64!' },
      { kind: 'error', error: { code: 'CONFIG_INVALID', message: 'm' } },
      { kind: 'token', token: { ...TOKEN, pinState: 'fine' } },
    ]) {
      const body = Buffer.from(JSON.stringify({ id: 1, result }));
      await appErrorOf(() => parseReply(body), 'TOKEN_HELPER');
    }
  });

  it('never repeat what they hold in an error', async () => {
    const body = Buffer.from('{"id":1,"request":{"op":"login","pin":["geheim-4711"]}}');
    const error = await appErrorOf(() => parseRequest(body), 'TOKEN_HELPER');
    assert.doesNotMatch(JSON.stringify([error.message, error.hint, error.stack]), /geheim/);
  });

  it('are parsed or refused, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        for (const parse of [parseRequest, parseReply]) {
          try {
            parse(Buffer.from(text));
          } catch (error) {
            assert.ok(error instanceof AppError);
          }
        }
      }),
    );
  });
});

describe('token selection', () => {
  it('compares every attribute that is named, and no other', () => {
    assert.ok(isMatchingToken(TOKEN, {}));
    assert.ok(
      isMatchingToken(TOKEN, {
        label: 'acme',
        serial: '01',
        manufacturer: 'm',
        model: 'x',
        slotId: 7,
      }),
    );
    for (const wrong of [
      { label: 'acm' },
      { serial: '' },
      { manufacturer: 'M' },
      { model: 'y' },
      { slotId: 0 },
    ]) {
      assert.ok(!isMatchingToken(TOKEN, wrong), JSON.stringify(wrong));
    }
  });
});
