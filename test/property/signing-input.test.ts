// Lines of any shape: each is refused in one way, or stands for exactly one header and payload; and
// no header but a right one is approved, whatever the policy.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jwkOfKey } from '../../src/jose/public-jwk.js';
import { parseSigningInput, peekUrl, type SigningInput } from '../../src/jose/signing-input.js';
import { isAppError } from '../../src/lib/errors.js';
import { MAX_JSON_DEPTH } from '../../src/lib/json/strict-json.js';
import { decideRequest } from '../../src/policy/decide.js';
import { parseNamedPolicy } from '../../src/policy/named-policy.js';
import { OPERATIONS } from '../../src/policy/operation.js';
import type { PolicySettings } from '../../src/policy/policy-settings.js';
import { fuzzed } from '../support/attack/fuzz.js';
import { someOperations } from '../support/requests/some-operations.js';
import { goodJson, mutatedBytes, nearlyJson } from '../support/attack/json-text.js';
import { makeKey } from '../support/keys/keys.js';
import { naiveReading } from '../support/attack/naive-json.js';

const JWK = jwkOfKey(makeKey('ES256').publicKey);
const OTHER_JWK = jwkOfKey(makeKey('ES256').publicKey);
const KEY_ID = 'https://ca.example/acct/1';
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

const part = (text: string): string => Buffer.from(text).toString('base64url');
const lineOf = (header: string, payload: string): Buffer =>
  Buffer.from(`${part(header)}.${part(payload)}`);

/**
 * The header and payload, or undefined when the line is refused; any other error fails the test.
 */
function parsed(line: Buffer): SigningInput | undefined {
  const url = peekUrl(line);
  try {
    const input = parseSigningInput(line);
    assert.equal(url, input.header.url);
    return input;
  } catch (error) {
    assert.ok(isAppError(error, 'JOSE_SIGNING_INPUT'), String(error));
    assert.doesNotMatch(error.message, /[^ -~]/);
    return undefined;
  }
}

/**
 * What base64url, RFC 4648 §5, says in bits; undefined for any other than the one right spelling.
 */
function naiveBytes(text: string): Buffer | undefined {
  const bits = Array.from(text, (letter) => ALPHABET.indexOf(letter).toString(2).padStart(6, '0'));
  const all = bits.join('');
  const octets = all.match(/.{8}/g) ?? [];
  const rest = all.slice(octets.length * 8);
  const isRight = !all.includes('-') && rest.length < 6 && !rest.includes('1');
  return isRight ? Buffer.from(octets.map((each) => Number.parseInt(each, 2))) : undefined;
}

/** The JSON object of a part, as a slow and simple reader has it. */
function naiveObject(text: string): object | undefined {
  const bytes = naiveBytes(text);
  const reading = bytes === undefined ? undefined : naiveReading(bytes);
  const value = reading?.value;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const isStrict = reading?.numbers === 'integers' && reading.depth <= MAX_JSON_DEPTH;
  return isObject && isStrict ? value : undefined;
}

function isRightHeader(header: object): boolean {
  const members = new Map<string, unknown>(Object.entries(header));
  const isText = (name: string): boolean =>
    typeof members.get(name) === 'string' && members.get(name) !== '';
  const nonce = members.get('nonce');
  const jwk = members.get('jwk');
  const who = [...members.keys()].filter((name) => name === 'jwk' || name === 'kid');
  const allowed = new Set(['alg', 'url', 'nonce', 'jwk', 'kid']);
  const isKey = typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk);
  return (
    [...members.keys()].every((name) => allowed.has(name)) &&
    isText('alg') &&
    isText('url') &&
    (!members.has('nonce') || (typeof nonce === 'string' && /^[\w-]{1,1024}$/.test(nonce))) &&
    who.length === 1 &&
    (isText('kid') || isKey)
  );
}

/** What the line says, or undefined: independent of the parser under test. */
function naively(line: Buffer): { header: object; payload: object | undefined } | undefined {
  const parts = line.toString('latin1').split('.');
  const header = naiveObject(parts[0] ?? '');
  const payload = parts[1] === '' ? undefined : naiveObject(parts[1] ?? '');
  const isRight = parts.length === 2 && (parts[1] === '' || payload !== undefined);
  return isRight && header !== undefined && isRightHeader(header) ? { header, payload } : undefined;
}

/** Both readers on all lines; some, but not all of them must be taken, or nothing was shown. */
function assertSameReadings(lines: fc.Arbitrary<Buffer>, runs: number): void {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(lines, (line) => {
      const input = parsed(line);
      const naive = naively(line);
      assert.equal(input === undefined, naive === undefined, line.toString('latin1'));
      seen[input === undefined ? 'refused' : 'taken'] += 1;
      if (input !== undefined) {
        const { alg, url, nonce, jwk, kid } = input.header;
        const header = Object.entries({ alg, url, nonce, jwk, kid });
        const present = Object.fromEntries(header.filter(([, value]) => value !== undefined));
        assert.deepEqual(present, { ...naive?.header });
        assert.deepEqual(input.payload, naive?.payload);
        assert.ok(input.bytes.equals(line));
      }
    }),
    fuzzed(runs),
  );
  assert.ok(seen.taken > runs / 20 && seen.refused > runs / 20, JSON.stringify(seen));
}

const anyOf = (...values: readonly unknown[]): fc.Arbitrary<unknown> => fc.constantFrom(...values);
const url = 'https://ca.example/x';

/**
 * Members that are mostly right, so that those that are not stand alone; undefined leaves one out.
 */
const mostly = (right: unknown, ...wrong: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 12, arbitrary: anyOf(right) }, { weight: 1, arbitrary: anyOf(...wrong) });
const extra: fc.Arbitrary<object> = fc.oneof(
  fc
    .constantFrom('b64', 'crit', 'typ', 'Alg', 'KID', 'x5c', 'jku', 'constructor', '')
    .chain((name) =>
      fc.constantFrom(false, true, ['b64'], [], url).map((value) => ({ [name]: value })),
    ),
  fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1, maxKeys: 2 }),
);
const who: fc.Arbitrary<object> = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<object[]>({ kid: KEY_ID }, { jwk: JWK }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<object[]>(
      ...[{}, { kid: KEY_ID, jwk: JWK }, { kid: '' }, { kid: 1 }, { kid: [KEY_ID] }, { jwk: [] }],
      ...[{ jwk: OTHER_JWK }, { jwk: { ...JWK, d: 'AAAA' } }, { jwk: {} }, { jwk: null }],
      ...[{ kid: `${KEY_ID}\0` }, { kid: KEY_ID.toUpperCase() }, { jwk: { ...JWK, x: JWK.kty } }],
    ),
  },
);
const header = fc
  .tuple(
    fc.record({
      alg: mostly('ES256', 'none', 'HS256', 'es256', 'ES384', 'ES256\0', '', 256, null, undefined),
      nonce: mostly('bm9uY2U', undefined, '', 'bm9uY2U=', 'bm9uY2V', 'a+/b', null, 1, ['bm9uY2U']),
      url: mostly(
        url,
        undefined,
        '',
        `${url}#`,
        'http://ca.example/x',
        'https://u@ca.example/x',
        7,
      ),
    }),
    who,
    fc.oneof({ weight: 12, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: extra }),
  )
  .map(([members, key, more]) => ({ ...members, ...key, ...more }));
const INNER = { account: KEY_ID, oldKey: OTHER_JWK };
const payload = fc.oneof(
  anyOf(undefined, {}, INNER, { ...INNER, more: 1 }, { status: 'deactivated' }, { contact: [] }),
  anyOf({ identifiers: [{ type: 'dns', value: 'a.example' }] }, { onlyReturnExisting: true }),
  fc.jsonValue({ maxDepth: 2 }),
);
const nonceless = fc.constant({ alg: 'ES256', url, jwk: JWK });
const line = fc
  .tuple(fc.oneof({ weight: 8, arbitrary: header }, { weight: 1, arbitrary: nonceless }), payload)
  .map(([head, body]) =>
    lineOf(JSON.stringify(head), body === undefined ? '' : JSON.stringify(body)),
  );

const RIGHT = lineOf(
  JSON.stringify({ alg: 'ES256', nonce: 'bm9uY2U', url, kid: KEY_ID }),
  '{"identifiers":[{"type":"dns","value":"a.example"}]}',
);

describe('a signing input', () => {
  it('is read as a simple reader does, or refused by both', () => {
    assertSameReadings(line, 1500);
  });

  it('is so with any few bytes changed', () => {
    const any = fc.oneof(line, fc.constant(RIGHT));
    assertSameReadings(fc.oneof(mutatedBytes(any), any), 1000);
  });

  it('is so with any few bytes of its JSON changed', () => {
    const json = JSON.stringify({ alg: 'ES256', nonce: 'bm9uY2U', url, kid: KEY_ID });
    const heads = fc.oneof(
      mutatedBytes(fc.constant(Buffer.from(json))),
      fc.constant(Buffer.from(json)),
    );
    const bodies = fc.oneof(goodJson, nearlyJson).map((text) => Buffer.from(`{"a":${text}}`));
    const lines = fc
      .tuple(heads, bodies)
      .map(([head, body]) =>
        Buffer.from(`${head.toString('base64url')}.${body.toString('base64url')}`),
      );
    assertSameReadings(lines, 1000);
  });

  it('with any one byte another one says something else, or is refused', () => {
    const decoded = (text: Buffer): string =>
      text
        .toString('latin1')
        .split('.')
        .map((each) => Buffer.from(each, 'base64url').toString('hex'))
        .join('.');
    let taken = 0;
    fc.assert(
      fc.property(fc.nat(RIGHT.length - 1), fc.nat(255), (at, octet) => {
        const changed = Buffer.from(RIGHT);
        changed[at] = octet;
        if (parsed(changed) !== undefined && !changed.equals(RIGHT)) {
          taken += 1;
          assert.notEqual(decoded(changed), decoded(RIGHT));
        }
      }),
      fuzzed(2000),
    );
    assert.ok(taken > 20, `only ${taken} were not refused`);
  });

  it('of any bytes is refused without another error', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each)),
      fc
        .string({ unit: fc.constantFrom(...Array.from(`${ALPHABET}..=+/ `)), maxLength: 80 })
        .map((text) => Buffer.from(text)),
      fc.tuple(fc.json(), fc.json()).map(([one, other]) => lineOf(one, other)),
    );
    fc.assert(
      fc.property(bytes, (each) => {
        assert.equal(parsed(each), undefined);
        assert.equal(naively(each), undefined);
      }),
      fuzzed(1000),
    );
  });
});

describe('a decision', () => {
  const EVERYTHING: PolicySettings = {
    operations: OPERATIONS,
    identifiers: ['**', '0.0.0.0/0', '::/0'],
    'allow-wildcards': true,
  };
  const policy = fc.oneof(
    fc.constantFrom(undefined, EVERYTHING),
    someOperations.map((operations) => ({ ...EVERYTHING, operations })),
  );

  /** A header that may be approved, with this payload. */
  function isApprovable(head: object, body: unknown): boolean {
    const { alg, nonce, jwk }: Record<string, unknown> = { ...head };
    const isInner = jwk !== undefined && JSON.stringify(body) === JSON.stringify(INNER);
    return (
      isRightHeader(head) &&
      alg === 'ES256' &&
      (nonce !== undefined || isInner) &&
      (jwk === undefined || JSON.stringify(jwk) === JSON.stringify(JWK))
    );
  }

  it('never approves a header that is not right, whatever the policy', () => {
    const operations = new Set<string>();
    fc.assert(
      fc.property(line, policy, fc.constantFrom(undefined, KEY_ID), (bytes, settings, keyId) => {
        const input = parsed(bytes);
        if (input === undefined) {
          return;
        }
        const named =
          settings === undefined
            ? undefined
            : parseNamedPolicy('web', settings, ({ key }) => assert.fail(key));
        const { verdict, request } = decideRequest(input, {
          ...{ algorithm: 'ES256', jwk: JWK, keyId, allowHttpOnLoopback: true, named },
          now: () => Date.UTC(2026, 10, 21),
        });
        assert.notEqual(verdict.kind, 'failed');
        if (verdict.kind === 'approved') {
          const naive = naively(bytes) ?? assert.fail('approved, and not readable');
          assert.ok(isApprovable(naive.header, naive.payload), bytes.toString());
          operations.add(request?.operation ?? '');
          const { kid }: Record<string, unknown> = { ...naive.header };
          assert.ok(keyId === undefined || kid === keyId);
        }
      }),
      fuzzed(3000),
    );
    assert.ok(operations.has('key-change-inner') && operations.size > 5, [...operations].join(' '));
  });
});
