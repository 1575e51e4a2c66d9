import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { jwkOfKey, jwkThumbprint } from '../../../src/jose/public-jwk.js';
import { formatGreeting } from '../../../src/protocol/greeting.js';
import { formatRefusal, REFUSAL_CODES } from '../../../src/protocol/refusal.js';
import { makeKey } from '../../support/keys/keys.js';

const jwk = jwkOfKey(makeKey('ES256').publicKey);

describe('formatGreeting', () => {
  it('tells algorithm, thumbprint, extensions and the sorted JWK', () => {
    const [first, second, rest] = formatGreeting({
      algorithm: 'ES256',
      jwk,
      keyId: undefined,
    }).split('\r\n');
    assert.match(first ?? '', /^1 OK \{/);
    assert.deepEqual(JSON.parse((first ?? '').slice('1 OK '.length)), {
      alg: 'ES256',
      'jwk-thumbprint': jwkThumbprint(jwk),
      extensions: ['errors', 'ping'],
    });
    assert.match(second ?? '', /^\{"crv":"P-256","kty":"EC","x":"[^"]+","y":"[^"]+"\}$/);
    assert.equal(rest, '');
  });

  it('tells the key ID and an empty JWK in key-ID-only mode', () => {
    const keyId = 'https://ca.example/acct/1';
    const [first, second] = formatGreeting({ algorithm: 'ES256', jwk, keyId }).split('\r\n');
    assert.match(first ?? '', /"kid":"https:\/\/ca\.example\/acct\/1"/);
    assert.equal(second, '{}');
  });
});

describe('formatRefusal', () => {
  it('is one line of JSON', () => {
    const text = formatRefusal({ code: 'denied', detail: 'a "b"\r\nc' });
    assert.doesNotMatch(text, /[\r\n]/);
    assert.match(text, /^!error \{"code":"denied",/);
  });

  it('names the policy beside its rule, and not where no policy refuses', () => {
    const denied = {
      code: 'denied',
      detail: "policy 'web' does not",
      rule: 'web.operations',
    } as const;
    assert.equal(
      formatRefusal({ ...denied, policy: 'web', operation: 'read' }),
      `!error {"code":"denied","detail":"policy 'web' does not","policy":"web",` +
        '"rule":"web.operations","operation":"read"}',
    );
    assert.doesNotMatch(formatRefusal(denied), /"policy":/);
  });

  it('is ASCII, or a low byte of a name could end the line and begin another', () => {
    const detail = 'for \u010d\u010aAAAA \u3002 \u{1f600} \ud800';
    const text = formatRefusal({ code: 'denied', detail, rule: 'web.identifiers' });
    assert.match(text, /^[ -~]+$/);
    assert.deepEqual(JSON.parse(text.slice('!error '.length)), {
      code: 'denied',
      detail: detail.replace('\ud800', '\ufffd'),
      rule: 'web.identifiers',
    });
  });

  it('has at most ten codes', () => {
    const codes: readonly string[] = REFUSAL_CODES;
    assert.ok(codes.length <= 10);
  });
});
