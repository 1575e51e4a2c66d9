import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createCsr } from '../../../src/client/install/csr.js';
import { printable } from '../../../src/lib/printable.js';
import { parseSigningInput } from '../../../src/jose/signing-input.js';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { applyToContent } from '../../../src/policy/apply-policy.js';
import { decideRequest, type Decision } from '../../../src/policy/decide.js';
import { parseNamedPolicy, type NamedPolicy } from '../../../src/policy/named-policy.js';
import type { PolicySettings } from '../../../src/policy/policy-settings.js';
import {
  makeCertificateDer,
  makeCsrDer,
  makeSubjectKey,
  spkiHash,
  type RequestedNames,
} from '../../support/requests/certificate-request.js';
import { makeKey } from '../../support/keys/keys.js';
import { suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const scope = suiteScope();
const JWK = jwkOfKey(makeKey('ES256').publicKey);
const KEY_ID = 'https://ca.example/acct/1';
const NOW = Date.UTC(2026, 10, 21, 12);
const HEADER = { alg: 'ES256', nonce: 'bm9uY2U', url: 'https://ca.example/x', kid: KEY_ID };
const P256 = makeSubjectKey('P-256');
const RSA = makeSubjectKey(2048);
const ALL = [
  'read',
  'new-account',
  'new-order',
  'new-authorization',
  'finalize',
  'revoke-certificate',
  'deactivate-account',
];
const WEB: PolicySettings = { operations: ALL, identifiers: ['www.example.org', '*.example.net'] };

let folder: string;
before(async () => {
  folder = await makeTempDir(scope);
});

function policyOf(settings: PolicySettings): NamedPolicy {
  return parseNamedPolicy('web', settings, ({ key, problem }) => assert.fail(`${key}: ${problem}`));
}

interface Asked {
  readonly header?: object;
  readonly payload?: unknown;
  readonly keyId?: string;
}

function decide(settings: PolicySettings, { header, payload, keyId }: Asked): Decision {
  const part = (text: string): string => Buffer.from(text).toString('base64url');
  const body = payload === undefined ? '' : part(JSON.stringify(payload));
  const input = parseSigningInput(
    Buffer.from(`${part(JSON.stringify({ ...HEADER, ...header }))}.${body}`),
  );
  return decideRequest(input, {
    algorithm: 'ES256',
    jwk: JWK,
    keyId,
    allowHttpOnLoopback: false,
    named: policyOf(settings),
    now: () => NOW,
  });
}

/** `approved web`, or rule and reason of the denial. */
function verdictOf(settings: PolicySettings, asked: Asked): string {
  const { verdict } = decide(settings, asked);
  assert.notEqual(verdict.kind, 'failed');
  return verdict.kind === 'denied'
    ? `${verdict.rule}: ${verdict.reason}`
    : `approved ${verdict.kind === 'approved' ? verdict.rule : ''}`;
}

const order = (...values: string[]): object => ({
  identifiers: values.map((value) => ({ type: 'dns', value })),
});
const orderIp = (value: string): object => ({ identifiers: [{ type: 'ip', value }] });

async function finalize(names: RequestedNames, key = P256): Promise<object> {
  return { csr: (await makeCsrDer(folder, key, names)).toString('base64url') };
}

describe('a policy that names nothing', () => {
  it('allows nothing', () => {
    assert.equal(verdictOf({}, {}), "web.operations: policy 'web' does not allow read");
    assert.match(verdictOf({}, { payload: order('a.example') }), /^web\.operations/);
  });

  it('allows no names when it names operations alone', () => {
    assert.equal(
      verdictOf({ operations: ALL }, { payload: order('mail.example.net') }),
      "web.identifiers: policy 'web' does not allow new-order for mail.example.net",
    );
    assert.equal(verdictOf({ operations: ALL }, {}), 'approved web');
  });
});

describe('a policy', () => {
  it('stands beside key-ID-only mode, which has to agree', () => {
    const payload = { status: 'deactivated' };
    const settings = { operations: [...ALL, 'deactivate-account'] };
    const url = KEY_ID;
    assert.equal(verdictOf(settings, { header: { url }, payload }), 'approved web');
    assert.match(
      verdictOf(settings, { header: { url }, payload, keyId: KEY_ID }),
      /^key-id-only: /,
    );
  });

  it('approves nothing that the rules for every request refuse', () => {
    assert.match(verdictOf(WEB, { payload: { hello: 'world' } }), /^known-operation/);
    assert.match(verdictOf(WEB, { header: { alg: 'RS256' } }), /^algorithm/);
  });

  const dated = { ...order('www.example.org'), notAfter: '2027-01-01T00:00:00Z' };
  for (const [name, settings, asked, expected] of [
    ['a listed name', {}, { payload: order('www.example.org') }, /^approved web$/],
    ['it in capitals', {}, { payload: order('WWW.example.org.') }, /^approved web$/],
    [
      'another name',
      {},
      { payload: order('www.example.org', 'mail.example.org') },
      /^web\.identifiers: policy 'web' does not allow new-order for mail\.example\.org$/,
    ],
    [
      'a name of another type',
      {},
      { payload: { identifiers: [{ type: 'DNS', value: 'www.example.org' }] } },
      /^web\.identifiers: .*types dns and ip/,
    ],
    [
      'a homograph',
      {},
      { payload: order('www.еxample.org') },
      /^web\.identifiers: .*not plain ASCII/,
    ],
    ['a name below', {}, { payload: order('a.example.net') }, /^approved/],
    ['a name below that', {}, { payload: order('a.b.example.net') }, /^web\.identifiers/],
    [
      'a wildcard',
      {},
      { payload: order('*.example.net') },
      /^web\.allow-wildcards: policy 'web' does not allow new-order for \*\.example\.net: it allows no wildcards$/,
    ],
    [
      'a wildcard where these are allowed',
      { 'allow-wildcards': true },
      { payload: order('*.example.net') },
      /^approved/,
    ],
    [
      'a wildcard of an exact name',
      { 'allow-wildcards': true },
      { payload: order('*.example.org') },
      /^web\.identifiers/,
    ],
    [
      'a denied name',
      { deny: { identifiers: ['a.example.net'] } },
      { payload: order('a.example.net') },
      /^web\.deny\.identifiers: policy 'web' does not allow new-order for a\.example\.net$/,
    ],
    [
      'the wildcard of a denied name',
      { 'allow-wildcards': true, deny: { identifiers: ['a.example.net'] } },
      { payload: order('*.example.net') },
      /^web\.deny\.identifiers/,
    ],
    [
      'an authorization',
      {},
      { payload: { identifier: { type: 'dns', value: 'mail.example.org' } } },
      /^web\.identifiers: .* new-authorization for mail/,
    ],
    ['an address', {}, { payload: orderIp('192.0.2.7') }, /^web\.identifiers/],
    [
      'an address of a prefix',
      { identifiers: ['192.0.2.0/24'] },
      { payload: orderIp('192.0.2.7') },
      /^approved/,
    ],
    [
      'an address as a name',
      { identifiers: ['192.0.2.0/24', '**'] },
      { payload: order('192.0.2.7') },
      /^web\.identifiers/,
    ],
    [
      'too many names',
      { 'max-identifiers': 2 },
      { payload: order('www.example.org', 'a.example.net', 'b.example.net') },
      /^web\.max-identifiers: policy 'web' allows at most 2 names in a request, and this has more$/,
    ],
    [
      'as many as there may be, one of them twice',
      { 'max-identifiers': 2 },
      { payload: order('www.example.org', 'a.example.net', 'A.example.net') },
      /^approved/,
    ],
    [
      'a denied operation',
      { deny: { operations: ['read'] } },
      {},
      /^web\.deny\.operations: policy 'web' does not allow read$/,
    ],
    ['a listed server', { servers: ['https://ca.example:443'] }, {}, /^approved/],
    [
      'another server',
      { servers: ['https://other.example'] },
      {},
      /^web\.servers: policy 'web' does not allow the server https:\/\/ca\.example$/,
    ],
    [
      'a denied server',
      { servers: ['https://ca.example'], deny: { servers: ['https://CA.example'] } },
      { header: { url: 'https://ca.example:443/y' } },
      /^web\.deny\.servers/,
    ],
    [
      'a profile',
      {},
      { payload: { ...order('www.example.org'), profile: 'shortlived' } },
      /^web\.profiles: policy 'web' does not allow the profile "shortlived"$/,
    ],
    [
      'a listed profile',
      { profiles: ['shortlived'] },
      { payload: { ...order('www.example.org'), profile: 'shortlived' } },
      /^approved/,
    ],
    [
      'no profile where one is needed',
      { profiles: ['shortlived'] },
      { payload: order('www.example.org') },
      /^web\.profiles: policy 'web' does not allow an order without a profile$/,
    ],
    ['dates', {}, { payload: dated }, /^web\.validity: .* to name dates$/],
    ['dates within limits', { validity: { max: '90d' } }, { payload: dated }, /^approved/],
    ['dates beyond them', { validity: { max: '1d' } }, { payload: dated }, /^web\.validity/],
    [
      'what is not a CSR',
      {},
      { payload: { csr: 'AAAA' } },
      /^web\.csr: policy 'web' does not allow a finalize whose CSR/,
    ],
    [
      'what is not a certificate',
      {},
      { payload: { certificate: 'AAAA' } },
      /^web\.certificate: policy 'web' does not allow revoke-certificate of/,
    ],
  ] as const) {
    it(`decides on ${name}`, () => {
      assert.match(verdictOf({ ...WEB, ...settings }, asked), expected);
    });
  }

  it('shows what a client sent escaped and cut', () => {
    const verdict = verdictOf(WEB, { payload: order(`\u001b[2J${'a'.repeat(5000)}`) });
    assert.match(verdict, /\\u001b\[2J/);
    assert.ok(verdict.length < 500);
  });

  it('shows 260 characters of a name or profile', () => {
    const long = Array.from({ length: 1000 }, (_, at) => at).join('-'); // nowhere like itself
    const ofName = verdictOf(WEB, { payload: order(long) });
    assert.ok(ofName.includes(printable(long, 260)), ofName);
    const ofProfile = verdictOf(WEB, { payload: { ...order('www.example.org'), profile: long } });
    assert.ok(ofProfile.includes(printable(JSON.stringify(long), 260)), ofProfile);
  });
});

describe('the names of a CSR', () => {
  for (const [name, names, expected] of [
    ['listed', { alternatives: ['DNS:www.example.org', 'DNS:a.example.net'] }, /^approved web$/],
    [
      'in CN and SAN',
      { commonName: 'www.example.org', alternatives: ['DNS:www.example.org'] },
      /^approved/,
    ],
    ['in CN alone', { commonName: 'mail.example.org' }, /^web\.identifiers: .*mail\.example\.org/],
    [
      'another in CN',
      { commonName: 'mail.example.org', alternatives: ['DNS:www.example.org'] },
      /^web\.identifiers: policy 'web' does not allow finalize for mail\.example\.org$/,
    ],
    [
      'one more',
      { alternatives: ['DNS:www.example.org', 'DNS:mail.example.org'] },
      /^web\.identifiers/,
    ],
    ['an address', { alternatives: ['DNS:www.example.org', 'IP:192.0.2.7'] }, /^web\.identifiers/],
    [
      'an e-mail address',
      { alternatives: ['DNS:www.example.org', 'email:a@example.org'] },
      /^web\.identifiers: .*types dns and ip/,
    ],
    [
      'a URI',
      { alternatives: ['DNS:www.example.org', 'URI:https://x.example/'] },
      /^web\.identifiers/,
    ],
    ['a wildcard', { alternatives: ['DNS:*.example.net'] }, /^web\.allow-wildcards/],
  ] as const) {
    it(`decide: ${name}`, async () => {
      assert.match(verdictOf(WEB, { payload: await finalize(names) }), expected);
    });
  }

  it('of claviger itself are understood', async () => {
    const csr = await createCsr(P256, [{ type: 'dns', value: 'www.example.org' }]);
    const payload = { csr: Buffer.from(csr).toString('base64url') };
    assert.equal(verdictOf(WEB, { payload }), 'approved web');
  });
});

describe('the key of a CSR', () => {
  const pin = spkiHash(P256);
  const names = { alternatives: ['DNS:www.example.org'] };

  for (const [name, settings, key, expected] of [
    ['pinned', { 'csr-keys': [pin.toString('base64')] }, P256, /^approved/],
    [
      'not pinned',
      { 'csr-keys': [pin.toString('hex')] },
      RSA,
      /^web\.csr-keys: .*the key of the CSR, [0-9a-f]{64}$/,
    ],
    ['denied', { deny: { 'csr-keys': [pin.toString('hex')] } }, P256, /^web\.deny\.csr-keys/],
    [
      'pinned and denied',
      { 'csr-keys': [pin.toString('hex')], deny: { 'csr-keys': [pin.toString('hex')] } },
      P256,
      /^web\.deny\.csr-keys/,
    ],
    ['of a listed type', { 'csr-key-types': ['p384', 'rsa'] }, RSA, /^approved/],
    ['of another type', { 'csr-key-types': ['p384', 'rsa'] }, P256, /^web\.csr-key-types: .*p256$/],
    ['too short', { 'csr-key-types': ['rsa>=3072'] }, RSA, /^web\.csr-key-types: .*rsa-2048$/],
  ] as const) {
    it(`decides: ${name}`, async () => {
      const payload = await finalize(names, key);
      assert.match(verdictOf({ ...WEB, ...settings }, { payload }), expected);
    });
  }

  it('is no RSA key under 2048 bits, whatever the policy', async () => {
    const payload = await finalize(names, makeSubjectKey(1024));
    assert.match(
      verdictOf({ ...WEB, 'csr-key-types': ['rsa'] }, { payload }),
      /^web\.csr: .*RSA of 1024 bits/,
    );
  });
});

describe('the names of a certificate to revoke', () => {
  it('have to be allowed too', async () => {
    const revoke = async (...alternatives: string[]): Promise<object> => ({
      certificate: (await makeCertificateDer(folder, P256, { alternatives })).toString('base64url'),
    });
    assert.equal(verdictOf(WEB, { payload: await revoke('DNS:www.example.org') }), 'approved web');
    assert.match(
      verdictOf(WEB, { payload: await revoke('DNS:www.example.org', 'DNS:mail.example.org') }),
      /^web\.identifiers: policy 'web' does not allow revoke-certificate for mail\.example\.org$/,
    );
    assert.match(
      verdictOf(WEB, { payload: await revoke() }),
      /^web\.certificate: .*names nothing$/,
    );
  });
});

describe('a request that carries names', () => {
  it('is not allowed without one', () => {
    const verdict = applyToContent(policyOf({ ...WEB, identifiers: ['**'] }), {
      operation: 'new-order',
      identifiers: [],
      payload: {},
    });
    assert.deepEqual(verdict, {
      kind: 'denied',
      rule: 'web.identifiers',
      reason: "policy 'web' does not allow new-order without a name",
      policy: 'web',
    });
  });
});

describe('a refusal', () => {
  const garbage = { csr: 'AAAA' };
  const readOnly: PolicySettings = { ...WEB, operations: ['read'] };

  async function forged(names: RequestedNames): Promise<object> {
    const csr = await makeCsrDer(folder, P256, names);
    csr[csr.length - 1] = (csr.at(-1) ?? 0) ^ 1;
    return { csr: csr.toString('base64url') };
  }

  for (const [name, settings, asked, rule, unread] of [
    ['header', {}, { header: { alg: 'RS256' }, payload: garbage }, 'algorithm', 'payload'],
    ['header', {}, { header: { url: 'http://a' }, payload: { no: 1 } }, 'url', 'payload'],
    ['mode', {}, { payload: garbage, keyId: `${KEY_ID}2` }, 'key-id-only', 'csr'],
    ['operation', readOnly, { payload: garbage }, 'web.operations', 'csr'],
    ['operation', readOnly, { payload: { certificate: 'AAAA' } }, 'web.operations', 'certificate'],
    ['operation', readOnly, { payload: order('-') }, 'web.operations', 'names'],
    [
      'operation',
      readOnly,
      { payload: { identifier: { type: 'dns', value: '-' } } },
      'web.operations',
      'names',
    ],
    ['server', { servers: ['https://b.example'] }, { payload: garbage }, 'web.servers', 'csr'],
    ['profile', {}, { payload: { ...order('-'), profile: 'x' } }, 'web.profiles', 'names'],
    ['dates', {}, { payload: { ...order('-'), notAfter: 'x' } }, 'web.validity', 'names'],
    [
      'count',
      { 'max-identifiers': 1 },
      { payload: order('-', '_') },
      'web.max-identifiers',
      undefined,
    ],
    ['first name', {}, { payload: order('mail.example.org', '-') }, 'web.identifiers', undefined],
    ['unknown operation', {}, { payload: { no: 1 } }, 'known-operation', undefined],
    ['lack of a nonce', {}, { header: { nonce: undefined }, payload: {} }, 'nonce', undefined],
  ] as const) {
    it(`for its ${name} comes before what costs more is looked at: ${rule}, unread ${unread ?? 'nothing'}`, () => {
      const decision = decide({ ...WEB, ...settings }, asked);
      assert.equal(decision.verdict.kind === 'denied' && decision.verdict.rule, rule);
      assert.equal(decision.unread, unread);
      assert.equal(decision.request?.problem, undefined);
    });
  }

  it('for a name comes before the signature of the CSR, and has the names all the same', async () => {
    const payload = await forged({ alternatives: ['DNS:mail.example.org'] });
    const { verdict, request, unread } = decide(WEB, { payload });
    assert.equal(verdict.kind === 'denied' && verdict.rule, 'web.identifiers');
    assert.deepEqual(request?.identifiers, [{ type: 'dns', value: 'mail.example.org' }]);
    assert.equal(unread, undefined);
  });

  it('for the key comes before that too, and the signature is looked at when all else is allowed', async () => {
    const payload = await forged({ alternatives: ['DNS:www.example.org'] });
    assert.match(
      verdictOf({ ...WEB, 'csr-key-types': ['rsa'] }, { payload }),
      /^web\.csr-key-types/,
    );
    assert.match(verdictOf(WEB, { payload }), /^web\.csr: .*csr signature: wrong$/);
  });

  it('names the first name that is not allowed', () => {
    const payload = order('www.example.org', 'mail.example.org', 'a.example.net', '-');
    assert.match(verdictOf(WEB, { payload }), /^web\.identifiers: .* for mail\.example\.org$/);
  });
});

describe('without a policy', () => {
  it('a CSR that nobody understands is signed, and the decision tells why', () => {
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const input = parseSigningInput(Buffer.from(`${part(HEADER)}.${part({ csr: 'AAAA' })}`));
    const { verdict, request } = decideRequest(input, {
      algorithm: 'ES256',
      jwk: JWK,
      keyId: undefined,
      allowHttpOnLoopback: false,
      named: undefined,
      now: () => NOW,
    });
    assert.equal(verdict.kind, 'approved');
    assert.ok(request?.problem !== undefined);
    assert.match(request.problem, /^csr: /);
    assert.deepEqual(request.identifiers, []);
  });
});

describe('the budgets of a decision', () => {
  const settings = { ...WEB, budgets: ['5 new-order per 1d', '9 read per 1h'] };

  it('are those of the operation', () => {
    const { budgets } = decide(settings, { payload: order('www.example.org') });
    assert.deepEqual(
      budgets.map(({ text }) => text),
      ['5 new-order per 1d'],
    );
  });

  it('are none for what is refused', () => {
    assert.deepEqual(decide(settings, { payload: order('mail.example.org') }).budgets, []);
  });
});
