import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatPublicJwk, jwkOfKey, jwkThumbprint } from '../../../src/jose/public-jwk.js';
import { AppError } from '../../../src/lib/errors.js';
import { ClientSession, type ClientSessionEvent } from '../../../src/protocol/client-session.js';
import { formatGreeting } from '../../../src/protocol/greeting.js';
import { makeKey } from '../../support/keys/keys.js';

const KEY = makeKey('ES256');
const JWK = jwkOfKey(KEY.publicKey);
const THUMBPRINT = jwkThumbprint(JWK);
const RSA_JWK = jwkOfKey(makeKey('RS256').publicKey);
const KEY_ID = 'https://ca.example/acct/1';

function receive(session: ClientSession, text: string): readonly ClientSessionEvent[] {
  return session.receive(Buffer.from(text));
}

function greet(text: string): ClientSessionEvent | undefined {
  return receive(new ClientSession(), text)[0];
}

function lines(extra: unknown, jwk: unknown = JWK): string {
  return `1 OK ${JSON.stringify(extra)}\r\n${JSON.stringify(jwk)}\r\n`;
}

describe('the greeting', () => {
  it('of clavigerd is understood, and errors are asked for', () => {
    const event = greet(formatGreeting({ algorithm: 'ES256', jwk: JWK, keyId: undefined }));
    assert.equal(event?.kind, 'greeting');
    assert.equal(event.write, '!errors\r\n');
    assert.deepEqual(event.greeting.jwk, JWK);
    assert.equal(event.greeting.thumbprint, THUMBPRINT);
    assert.equal(event.greeting.keyId, undefined);
  });

  it('of clavigerd in key-ID-only mode tells no key', () => {
    const event = greet(formatGreeting({ algorithm: 'ES256', jwk: JWK, keyId: KEY_ID }));
    assert.equal(event?.kind, 'greeting');
    assert.equal(event.greeting.jwk, undefined);
    assert.equal(event.greeting.keyId, KEY_ID);
    assert.equal(event.greeting.thumbprint, THUMBPRINT);
  });

  it('of lacme-accountd is understood, and nothing unknown is sent to it', () => {
    const extra = { 'jwk-thumbprint': jwkThumbprint(RSA_JWK), alg: 'RS256' };
    const event = greet(`1 OK ${JSON.stringify(extra)}\r\n${formatPublicJwk(RSA_JWK)}\r\n`);
    assert.equal(event?.kind, 'greeting');
    assert.equal(event.write, '');
  });

  for (const [name, first] of [
    ['absent', '1 OK'],
    ['empty', '1 OK '],
    ['not JSON', '1 OK {'],
    ['not an object', '1 OK [1]'],
  ] as const) {
    it(`may have details that are ${name}`, () => {
      const event = greet(`${first}\r\n${formatPublicJwk(JWK)}\r\n`);
      assert.equal(event?.kind, 'greeting');
      assert.equal(event.greeting.algorithm, 'ES256');
      assert.equal(event.greeting.thumbprint, THUMBPRINT);
    });
  }

  it('comes in any pieces', () => {
    const session = new ClientSession();
    const text = formatGreeting({ algorithm: 'ES256', jwk: JWK, keyId: undefined });
    const events = Array.from(text).flatMap((character) => receive(session, character));
    assert.equal(events.length, 1);
  });

  const bad: readonly (readonly [string, string])[] = [
    ['of another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['of another version', `2 OK\r\n${formatPublicJwk(JWK)}\r\n`],
    ['ended by LF', '1 OK {}\n{}\n'],
    ['without a JWK', '1 OK {}\r\nhello\r\n'],
    ['with a JWK of another type', lines({}, { kty: 'OKP', crv: 'Ed25519', x: 'AA' })],
    ['with a point off the curve', lines({}, { ...JWK, x: 'AAAA' })],
    ['with a private key', lines({}, KEY.privateKey.export({ format: 'jwk' }))],
    ['with neither key nor key ID', lines({ 'jwk-thumbprint': THUMBPRINT }, {})],
    ['with a key ID but no thumbprint', lines({ kid: KEY_ID }, {})],
    ['with a thumbprint of another key', lines({ 'jwk-thumbprint': jwkThumbprint(RSA_JWK) })],
    ['with a thumbprint that is none', lines({ kid: KEY_ID, 'jwk-thumbprint': '../x' }, {})],
    ['with an algorithm of another key', lines({ alg: 'RS256' })],
    ['with an unknown algorithm', lines({ alg: 'none' })],
    ['with a key ID of several lines', lines({ kid: 'https://a/\r\nx' })],
  ];
  for (const [name, text] of bad) {
    it(`${name} is refused`, () => {
      assert.throws(() => greet(text), { code: 'PROTO_GREETING' });
    });
  }

  it('that is too long is refused', () => {
    assert.throws(() => greet('1 OK '.padEnd(40_000, 'x')), { code: 'PROTO_GREETING' });
  });

  it('that never comes is explained', () => {
    assert.equal(new ClientSession().explainEnd().code, 'PROTO_GREETING');
  });
});

function ready(extensions: readonly string[]): ClientSession {
  const session = new ClientSession();
  receive(session, lines({ extensions }));
  return session;
}

describe('a reply', () => {
  it('is a signature', () => {
    const session = ready([]);
    assert.equal(session.formatRequest('cHJv', ''), 'cHJv.\r\n');
    assert.deepEqual(receive(session, 'c2ln\r\n'), [{ kind: 'signature', signature: 'c2ln' }]);
  });

  it('comes in the order of the requests', () => {
    const session = ready([]);
    session.formatRequest('YQ', '');
    session.formatRequest('Yg', '');
    assert.deepEqual(receive(session, 'MQ\r\nMg\r\n'), [
      { kind: 'signature', signature: 'MQ' },
      { kind: 'signature', signature: 'Mg' },
    ]);
  });

  it('may be a refusal, told in a sentence', () => {
    const session = ready(['errors']);
    session.formatRequest('YQ', '');
    const [event] = receive(session, '!error {"code":"denied","detail":"not this"}\r\n');
    assert.equal(event?.kind, 'refusal');
    assert.equal(event.error.code, 'PROTO_REFUSED');
    assert.match(event.error.message, /denied.*not this/);
  });

  it('names the policy that refuses by its member, whatever the sentence begins with', () => {
    const session = ready(['errors']);
    const messageOf = (members: string): string => {
      session.formatRequest('a', 'b');
      const [event] = receive(
        session,
        `!error {"code":"denied","detail":"policy 'a' b"${members}}\r\n`,
      );
      assert.equal(event?.kind, 'refusal');
      return event.error.message;
    };
    assert.equal(messageOf(',"policy":"a"'), "the signer's policy 'a' b");
    assert.equal(messageOf(',"rule":"a.b"'), "signer: refused to sign (denied): policy 'a' b");
  });

  it('may be a refusal in words nobody knows yet', () => {
    const session = ready(['errors']);
    session.formatRequest('YQ', '');
    const [event] = receive(session, '!error {"code":"\\u001b[31m","detail":7}\r\n');
    assert.equal(event?.kind, 'refusal');
    assert.equal(event.error.message.includes('\u001b'), false);
  });

  for (const [name, text] of [
    ['nobody asked for', 'c2ln\r\nc2ln\r\n'],
    ['of no characters', '\r\n'],
    ['in padded base64', 'c2lnbg==\r\n'],
    ['of another alphabet', 'a+b/\r\n'],
    ['ended by LF', 'c2ln\n'],
    ['that is a refusal without the extension', '!error {}\r\n'],
  ] as const) {
    it(`${name} is an error`, () => {
      const session = ready([]);
      session.formatRequest('YQ', '');
      assert.throws(() => receive(session, text), { code: 'PROTO_REPLY' });
    });
  }

  it('that does not come is explained by what the signer can do', () => {
    assert.match(ready([]).explainEnd().message, /refused or the signer stopped/);
    const plain = ready(['errors']).explainEnd();
    assert.ok(plain instanceof AppError && !plain.message.includes('refused'));
  });
});

describe('a ping', () => {
  it('is sent only where it is offered', () => {
    assert.equal(ready([]).formatPing(), undefined);
    assert.equal(ready(['errors']).formatPing(), undefined);
    assert.equal(ready(['ping']).formatPing(), '!ping\r\n');
  });

  it('is answered in its turn', () => {
    const session = ready(['errors', 'ping']);
    session.formatRequest('YQ', '');
    session.formatPing();
    session.formatRequest('Yg', '');
    const kinds = receive(session, 'c2ln\r\n!pong\r\nc2ln\r\n').map(({ kind }) => kind);
    assert.deepEqual(kinds, ['signature', 'pong', 'signature']);
  });

  it('is not answered by anything else, and nothing else by its answer', () => {
    for (const text of ['c2ln\r\n', '!error {"code":"busy"}\r\n', '\r\n']) {
      const session = ready(['errors', 'ping']);
      session.formatPing();
      assert.throws(() => receive(session, text), { code: 'PROTO_REPLY' });
    }
    const session = ready(['errors', 'ping']);
    session.formatRequest('YQ', '');
    assert.throws(() => receive(session, '!pong\r\n'), { code: 'PROTO_REPLY' });
  });
});

describe('a notice', () => {
  const NOTICE = '!notice {"code":"waiting","detail":"touch it\\u001b[2J"}\r\n';

  it('is told, made safe to show, and takes no turn', () => {
    const session = ready(['errors']);
    session.formatRequest('YQ', '');
    assert.deepEqual(receive(session, `${NOTICE}c2ln\r\n`), [
      { kind: 'notice', detail: String.raw`touch it\u001b[2J` },
      { kind: 'signature', signature: 'c2ln' },
    ]);
    assert.equal(receive(session, '!notice x\r\n')[0]?.kind, 'notice');
  });

  it('is refused from a signer that was not asked for errors, and in masses', () => {
    const plain = ready([]);
    plain.formatRequest('YQ', '');
    assert.throws(() => receive(plain, NOTICE), { code: 'PROTO_REPLY' });
    const session = ready(['errors']);
    assert.throws(() => receive(session, NOTICE.repeat(2000)), { code: 'PROTO_REPLY' });
  });
});
