// URLs of any shape: what is taken has the same origin for a URL parser of the web (WHATWG, Node's
// own) and for a simple reader after RFC 3986, and nothing but its aliases passes for the key ID's
// origin.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jwkOfKey } from '../../src/jose/public-jwk.js';
import { isAppError } from '../../src/lib/errors.js';
import { decideRequest } from '../../src/policy/decide.js';
import { checkUrl, originOf, parseServer } from '../../src/policy/request-url.js';
import { fuzzed } from '../support/attack/fuzz.js';
import { makeKey } from '../support/keys/keys.js';
import { naiveOrigin } from '../support/attack/naive-url.js';

const KEY_IDS = [
  'https://ca.example/acct/1',
  'https://CA.example:443/acct/1',
  'https://ca.example:14000/acct/1',
  'https://192.0.2.1/acct/1',
  'https://[2001:db8::1]/acct/1',
] as const;
const JWK = jwkOfKey(makeKey('ES256').publicKey);

const pieces = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);
const scheme = fc.oneof(
  { weight: 6, arbitrary: pieces('https://') },
  { weight: 1, arbitrary: pieces('http://', 'HTTPS://', 'https:/', 'https:', 'https:///', '//') },
  { weight: 1, arbitrary: pieces('ftp://', 'wss://', 'blob:https://', ' https://', 'https:\\\\') },
);
const host = fc.oneof(
  pieces('ca.example', 'CA.example', 'ca.example', '192.0.2.1', '127.0.0.1', '[2001:db8::1]'),
  pieces('[2001:DB8:0:0:0::0.0.0.1]', '[::1]', '[::ffff:192.0.2.1]', '[fe80::1%25eth0]', '[v1.x]'),
  pieces(
    '%63a.example',
    'ca.example.',
    'ca%2eexample',
    'ca.example%00',
    'ca%2f.example',
    'localhost',
  ),
  pieces(
    '192.0.513',
    '0xc0.0.2.1',
    '0300.0.2.1',
    '3221225985',
    '192.0.2.1.',
    '192.0.2.01',
    '127.1',
  ),
  pieces(
    'xn--bcher-kva.example',
    'XN--BCHER-KVA.example',
    'bücher.example',
    'ca。example',
    'ca.exampl\u00e9',
  ),
  pieces('ⓒa.example', 'ca\u00ad.example', 'xn--a', 'a..b', '', '.', 'a_b', "a!$&'()*+,;=b"),
);
const glue = fc.oneof(
  pieces('', '', '', ':443', ':14000', ':0443', ':', ':80', ':65536', ':4a3', ':-1', ':443:443'),
  pieces(
    '@',
    'u@',
    'u:p@',
    ':443@',
    '\\',
    '\t',
    '\n',
    '%40',
    '%3a443',
    '%2f',
    '%5c',
    '#',
    '?',
    ' ',
  ),
  pieces(
    '#@',
    '?@',
    '/@',
    '\\@',
    ';',
    '.',
    '..',
    '%',
    '[',
    ']',
    '|',
    '^',
    '\0',
    '\u200b',
    '／',
    '＠',
  ),
);
const path = fc.oneof(
  pieces(
    '',
    '/',
    '/x',
    '/acct/1',
    '/../x',
    '/%2e%2e/x',
    '//evil.example/',
    '/./',
    '?x',
    '#x',
    '/x#',
  ),
  pieces(
    '/x?y#z',
    '\\x',
    '/\\evil.example',
    '/x y',
    '/x\n',
    '/é',
    '/%zz',
    '/@evil.example',
    '/:@/',
  ),
  fc.string({ maxLength: 8 }).map((text) => `/${text}`),
);

/** Hosts, glue between them, and paths in any order that may confuse. */
const odd = fc
  .tuple(
    scheme,
    fc.oneof(
      pieces(''),
      fc.tuple(host, glue).map((two) => two.join('')),
    ),
    host,
    glue,
    path,
  )
  .map((parts) => parts.join(''));
/** A good URL with a few characters put in, anywhere. */
const altered = fc
  .tuple(
    fc.constantFrom(...KEY_IDS),
    fc.array(fc.tuple(fc.nat(), fc.oneof(glue, fc.string({ unit: 'binary', maxLength: 2 }))), {
      minLength: 1,
      maxLength: 2,
    }),
  )
  .map(([text, insertions]) =>
    insertions.reduce<string>((sofar, [at, each]) => {
      const place = at % (sofar.length + 1);
      return sofar.slice(0, place) + each + sofar.slice(place);
    }, text),
  );
const anyUrl = fc.oneof(odd, altered);

/** As checkUrl() says, and how often both answers were heard. */
function counted(): { isTaken: (text: string) => boolean; assertBoth: (least: number) => void } {
  const seen = { taken: 0, refused: 0 };
  return {
    isTaken: (text) => {
      const isTaken = checkUrl(text, true) === undefined;
      seen[isTaken ? 'taken' : 'refused'] += 1;
      return isTaken;
    },
    assertBoth: (least) => {
      assert.ok(seen.taken > least && seen.refused > least, JSON.stringify(seen));
    },
  };
}

function sameOrigin(text: string): string {
  const origin = originOf(text) ?? assert.fail(text);
  assert.equal(naiveOrigin(text), naiveOrigin(origin), text);
  return origin;
}

describe('a request URL', () => {
  it('that is taken has one origin, whoever reads it', () => {
    const { isTaken, assertBoth } = counted();
    fc.assert(
      fc.property(anyUrl, (text) => {
        if (isTaken(text)) {
          const origin = sameOrigin(text);
          assert.match(text, /^https?:\/\/[!-~]+$/);
          assert.doesNotMatch(text, /[\\#"<>^`{|}]/);
          assert.doesNotMatch(origin, /[@%\\]/);
        }
      }),
      fuzzed(3000),
    );
    assertBoth(150);
  });

  it('passes for one of another server by no trick', () => {
    const origins = new Set<string>();
    fc.assert(
      fc.property(fc.constantFrom(...KEY_IDS), anyUrl, (keyId, text) => {
        const header = { alg: 'ES256', url: text, nonce: 'bm9uY2U', jwk: undefined, kid: keyId };
        const input = { bytes: Buffer.alloc(0), header, payload: undefined };
        const { verdict } = decideRequest(input, {
          ...{ algorithm: 'ES256', jwk: JWK, keyId, named: undefined, now: () => 0 },
          allowHttpOnLoopback: true,
        });
        const isSame =
          checkUrl(text, true) === undefined && naiveOrigin(text) === naiveOrigin(keyId);
        assert.equal(verdict.kind, isSame ? 'approved' : 'denied', text);
        origins.add(isSame ? (naiveOrigin(keyId) ?? '') : '');
      }),
      fuzzed(3000),
    );
    assert.equal(origins.size, 5, 'four servers and none');
  });

  it("keeps the key ID's origin in another case, with the default port and on any path", () => {
    const anyCase = fc
      .array(fc.boolean(), { minLength: 1, maxLength: 10 })
      .map((flags) =>
        Array.from('ca.example', (letter, at) =>
          flags[at % flags.length] === true ? letter.toUpperCase() : letter,
        ).join(''),
      );
    const tail = fc.stringMatching(/^(|[/?][A-Za-z0-9/?.%@:~!$&'()*+,;=_-]{0,20})$/);
    fc.assert(
      fc.property(anyCase, pieces('', ':443'), tail, (name, port, rest) => {
        const text = `https://${name}${port}${rest}`;
        assert.equal(checkUrl(text, false), undefined, text);
        assert.equal(originOf(text), originOf(KEY_IDS[0]), text);
      }),
      fuzzed(1000),
    );
  });

  it('on http is taken on loopback addresses alone, and when told', () => {
    const name = fc.oneof(host, fc.ipV4(), fc.ipV4Extended(), fc.domain(), pieces('127.0.0.2'));
    fc.assert(
      fc.property(name, glue, path, (each, between, rest) => {
        const text = `http://${each}${between}${rest}`;
        assert.notEqual(checkUrl(text, false), undefined, text);
        if (checkUrl(text, true) === undefined) {
          assert.match(sameOrigin(text), /^http:\/\/(localhost|\[::1\]|127(\.\d{1,3}){3})(:\d+)?$/);
        }
      }),
      fuzzed(1000),
    );
  });

  it('of any text is judged without an error', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.webUrl({ withFragments: true }),
      anyUrl,
    );
    fc.assert(
      fc.property(text, (each) => {
        assert.equal(typeof (checkUrl(each, true) ?? ''), 'string');
        assert.equal(typeof (originOf(each) ?? ''), 'string');
      }),
      fuzzed(1000),
    );
  });
});

describe('a server of a policy', () => {
  it('is an origin, or an error that says so', () => {
    let servers = 0;
    const plain = fc.tuple(scheme, host, glue, pieces('', '', '/', '?', '/x'));
    const text = fc.oneof(
      anyUrl,
      plain.map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (each) => {
        let server: string;
        try {
          server = parseServer(each);
        } catch (error) {
          assert.ok(isAppError(error, 'POLICY_INVALID'), String(error));
          return;
        }
        servers += 1;
        assert.equal(server, sameOrigin(each));
        assert.equal(parseServer(server), server);
      }),
      fuzzed(2000),
    );
    assert.ok(servers > 30, `only ${servers}`);
  });
});
