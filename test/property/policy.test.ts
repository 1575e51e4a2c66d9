// Any policy against any request: nothing unknown is approved, deny wins, and the decision is what
// a slow and simple reading of the settings says.

import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { before, describe, it } from 'node:test';
import fc from 'fast-check';
import { jwkOfKey } from '../../src/jose/public-jwk.js';
import { parseSigningInput } from '../../src/jose/signing-input.js';
import { AppError } from '../../src/lib/errors.js';
import { decideRequest, type Decision } from '../../src/policy/decide.js';
import { allowsName, deniesName, parseNamePattern } from '../../src/policy/name-pattern.js';
import { parseNamedPolicy } from '../../src/policy/named-policy.js';
import { readName, type Name } from '../../src/policy/names.js';
import { OPERATIONS } from '../../src/policy/operation.js';
import type { PolicySettings } from '../../src/policy/policy-settings.js';
import { makeCsrDer, makeSubjectKey, spkiHash } from '../support/requests/certificate-request.js';
import { fuzzed } from '../support/attack/fuzz.js';
import { someOperations } from '../support/requests/some-operations.js';
import { strictJsonValue } from '../support/attack/json-text.js';
import { makeKey } from '../support/keys/keys.js';
import { suiteScope } from '../support/scope.js';
import { makeTempDir } from '../support/temp-dir.js';

const scope = suiteScope();
const JWK = jwkOfKey(makeKey('ES256').publicKey);
const KEY_ID = 'https://ca.example/acct/1';
const NOW = Date.UTC(2026, 10, 21, 12);
const KEYS = [
  { type: 'p256', bits: 0, key: makeSubjectKey('P-256') },
  { type: 'p384', bits: 0, key: makeSubjectKey('P-384') },
  { type: 'rsa', bits: 2048, key: makeSubjectKey(2048) },
] as const;

/** A handful of labels, so that names and patterns often meet. */
const label = fc.constantFrom('a', 'b', 'xn--bcher-kva');
const base = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const dnsName = fc.tuple(fc.constantFrom('', '', '*.'), base).map((parts) => parts.join(''));
const dnsPattern = fc.oneof(
  fc.tuple(fc.constantFrom('', '*.', '**.'), base).map((parts) => parts.join('')),
  fc.constant('**'),
);
const address = fc.oneof(
  fc.tuple(fc.constantFrom('192.0.2.', '198.51.100.'), fc.nat(255)).map((parts) => parts.join('')),
  fc.nat(65_535).map((number) => `2001:db8::${number.toString(16)}`),
);
const prefix = fc.constantFrom(
  '192.0.2.0/24',
  '192.0.2.128/25',
  '198.51.100.7',
  '0.0.0.0/0',
  '2001:db8::/32',
  '2001:db8::8000/113',
  '::/0',
);

/** What `pattern` says in so many words; a wildcard is a label like any other. */
function slowlyAllows(pattern: string, name: string): boolean {
  if (pattern === '**') {
    return true;
  }
  const labels = name.split('.');
  if (pattern.startsWith('**.')) {
    return labels.some(
      (_, index) => index > 0 && labels.slice(index).join('.') === pattern.slice(3),
    );
  }
  return pattern.startsWith('*.')
    ? labels.slice(1).join('.') === pattern.slice(2)
    : name === pattern;
}

/** The name itself, or any that a wildcard stands for. */
function slowlyDenies(pattern: string, name: string): boolean {
  const covered = ['a', 'b', 'xn--bcher-kva', 'x'].map((each) => name.replace(/^\*/, each));
  return [name, ...covered].some((each) => slowlyAllows(pattern, each));
}

function slowlyHolds(pattern: string, ip: string): boolean {
  const list = new BlockList();
  const familyOf = (text: string): 'ipv4' | 'ipv6' => (text.includes(':') ? 'ipv6' : 'ipv4');
  const [net = '', length] = pattern.split('/');
  if (length === undefined) {
    list.addAddress(net, familyOf(net));
  } else {
    list.addSubnet(net, Number(length), familyOf(net));
  }
  return familyOf(net) === familyOf(ip) && list.check(ip, familyOf(ip));
}

function nameOf(type: string, value: string): Name {
  const reading = readName({ type, value });
  assert.ok('name' in reading, value);
  return reading.name;
}

describe('a pattern', () => {
  it('matches names as a slow reading of it does', () => {
    fc.assert(
      fc.property(dnsPattern, dnsName, (text, name) => {
        const pattern = parseNamePattern(text);
        assert.equal(allowsName(pattern, nameOf('dns', name)), slowlyAllows(text, name));
        assert.equal(deniesName(pattern, nameOf('dns', name)), slowlyDenies(text, name));
      }),
      fuzzed(3000),
    );
  });

  it('matches addresses as node:net does', () => {
    fc.assert(
      fc.property(prefix, address, (text, ip) => {
        const pattern = parseNamePattern(text);
        assert.equal(allowsName(pattern, nameOf('ip', ip)), slowlyHolds(text, ip));
      }),
      fuzzed(1000),
    );
  });

  it('of any text is one, or an error that says so', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom('', '*.', '**.'),
        (text, stars) => {
          try {
            parseNamePattern(`${stars}${text}`);
          } catch (error) {
            assert.ok(error instanceof AppError && error.code === 'POLICY_INVALID', String(error));
          }
        },
      ),
      fuzzed(2000),
    );
  });

  it('lets no name through that is not plain', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const reading = readName({ type: 'dns', value });
        if ('name' in reading && reading.name.type === 'dns') {
          assert.match(reading.name.base, /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/);
        }
      }),
      fuzzed(2000),
    );
  });
});

const some = <T>(items: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...items]);
const ENOUGH = ['read', 'new-order', 'new-authorization', 'finalize'];
const hashes = KEYS.map(({ key }) => spkiHash(key).toString('hex'));
const SERVERS = ['https://ca.example', 'https://other.example:14000'];

/** Sound settings in any combination, wide enough that a good part of the requests is approved. */
const settingsArbitrary: fc.Arbitrary<PolicySettings> = fc.record(
  {
    operations: fc.oneof(fc.constant(ENOUGH), someOperations),
    identifiers: fc.array(fc.oneof(dnsPattern, prefix), { minLength: 1, maxLength: 5 }),
    'csr-keys': some(hashes),
    'csr-key-types': some(['p256', 'p384', 'rsa', 'rsa>=3072']),
    profiles: some(['', 'short']),
    servers: some(SERVERS),
    'max-identifiers': fc.integer({ min: 1, max: 4 }),
    'allow-wildcards': fc.boolean(),
    validity: fc.constantFrom({ max: '1d' }, { ahead: '1d' }, { max: '90d', ahead: '90d' }),
    deny: fc.record(
      {
        operations: some(['read', 'finalize']),
        identifiers: fc.array(fc.oneof(dnsPattern, prefix), { maxLength: 1 }),
        'csr-keys': some(hashes),
        servers: some(SERVERS),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['operations', 'identifiers'] },
);

function decide(settings: PolicySettings, header: object, payload: unknown): Decision {
  const part = (text: string): string => Buffer.from(text).toString('base64url');
  const body = payload === undefined ? '' : part(JSON.stringify(payload));
  const input = parseSigningInput(Buffer.from(`${part(JSON.stringify(header))}.${body}`));
  return decideRequest(input, {
    algorithm: 'ES256',
    jwk: JWK,
    keyId: undefined,
    allowHttpOnLoopback: false,
    named: parseNamedPolicy('web', settings, ({ key, problem }) =>
      assert.fail(`${key} ${problem}`),
    ),
    now: () => NOW,
  });
}

/** What is asked for, in the words of whoever made the request. */
interface Wish {
  readonly operation: string;
  readonly names: readonly { readonly type: string; readonly value: string }[];
  readonly server: string;
  readonly payload: Readonly<Record<string, unknown>> | undefined;
  /** Index into KEYS, of a finalize. */
  readonly key?: number;
}

const HOUR_MS = 3_600_000;
const DATES = { notBefore: [1, 23, 30 * 24], notAfter: [2, 24, 31 * 24, 100 * 24] };

const identifier = fc.oneof(
  dnsName.map((value) => ({ type: 'dns', value })),
  address.map((value) => ({ type: 'ip', value })),
);

describe('a policy', () => {
  const csrs: { readonly wish: Omit<Wish, 'server'> }[] = [];

  before(async () => {
    const folder = await makeTempDir(scope);
    for (const [names, key] of [
      [['a.b'], 0],
      [['a', 'b.a', 'a.b.a'], 0],
      [['*.b.a', 'a.a.a'], 1],
      [['xn--bcher-kva.a', 'b'], 2],
      [['a.b', '192.0.2.200'], 2],
      [['2001:db8::8001'], 1],
    ] as const) {
      const isIp = (name: string): boolean => /^[\d.]+$|:/.test(name);
      const alternatives = names.map((name) => `${isIp(name) ? 'IP' : 'DNS'}:${name}`);
      const csr = await makeCsrDer(folder, KEYS[key].key, { alternatives });
      csrs.push({
        wish: {
          operation: 'finalize',
          names: names.map((value) => ({ type: isIp(value) ? 'ip' : 'dns', value })),
          payload: { csr: csr.toString('base64url') },
          key,
        },
      });
    }
  });

  const date = (hours: readonly number[]): fc.Arbitrary<string> =>
    fc.constantFrom(...hours.map((each) => new Date(NOW + each * HOUR_MS).toISOString()));
  const order = fc
    .record(
      {
        identifiers: fc.array(identifier, { minLength: 1, maxLength: 3 }),
        profile: fc.constantFrom('short', 'long'),
        notBefore: date(DATES.notBefore),
        notAfter: date(DATES.notAfter),
      },
      { requiredKeys: ['identifiers'] },
    )
    .map((payload) => ({ operation: 'new-order', names: payload.identifiers, payload }));
  const wishArbitrary: fc.Arbitrary<Wish> = fc
    .tuple(
      fc.oneof(
        order,
        identifier.map((each) => ({
          operation: 'new-authorization',
          names: [each],
          payload: { identifier: each },
        })),
        fc.nat(5).map((index) => csrs[index % csrs.length]?.wish ?? assert.fail('no csr')),
        fc.constant({ operation: 'read', names: [], payload: undefined }),
        fc.constant({ operation: 'answer-challenge', names: [], payload: {} }),
        fc.constant({ operation: 'cancel-order', names: [], payload: { status: 'canceled' } }),
      ),
      fc.constantFrom(...SERVERS),
    )
    .map(([wish, server]) => ({ ...wish, server }));

  const header = (wish: Wish): object => ({
    alg: 'ES256',
    nonce: 'AAAA',
    url: `${wish.server}/x`,
    kid: KEY_ID,
  });

  it('approves exactly what a slow reading of its settings approves', () => {
    let approved = 0;
    let refused = 0;
    fc.assert(
      fc.property(settingsArbitrary, wishArbitrary, (settings, wish) => {
        const { verdict } = decide(settings, header(wish), wish.payload);
        const problems = slowProblems(settings, wish);
        const told = JSON.stringify({ settings, wish, problems, verdict });
        assert.equal(verdict.kind, problems.length === 0 ? 'approved' : 'denied', told);
        if (verdict.kind === 'denied') {
          assert.ok(problems.includes(verdict.rule), told);
          refused += 1;
        } else {
          approved += 1;
        }
      }),
      fuzzed(4000),
    );
    assert.ok(approved > 200 && refused > 200, `${approved} approved, ${refused} refused`);
  });

  it('never approves what it denies, whatever else it says', () => {
    fc.assert(
      fc.property(settingsArbitrary, wishArbitrary, fc.nat(3), (settings, wish, which) => {
        const denials: readonly PolicySettings['deny'][] = [
          { operations: [wish.operation] },
          { servers: [wish.server] },
          { identifiers: wish.names.slice(0, 1).map(({ value }) => value) },
          { 'csr-keys': wish.key === undefined ? [] : [hashes[wish.key] ?? ''] },
        ];
        const deny = denials[which];
        const isAnything = Object.values(deny ?? {}).some(
          (list: readonly string[]) => list.length > 0,
        );
        const { verdict } = decide({ ...settings, deny }, header(wish), wish.payload);
        assert.equal(isAnything && verdict.kind === 'approved', false);
      }),
      fuzzed(2000),
    );
  });

  it('never approves what is none of the known requests', () => {
    const members = fc.dictionary(fc.string(), strictJsonValue, { minKeys: 1, maxKeys: 3 });
    fc.assert(
      fc.property(settingsArbitrary, wishArbitrary, members, (settings, wish, extra) => {
        const all = {
          ...settings,
          operations: OPERATIONS,
          identifiers: ['**', '::/0', '0.0.0.0/0'],
        };
        // A new-account is all optional members: it stands apart, and needs a jwk.
        const isKnown = (name: string): boolean =>
          /^(contact|status|profile|replaces|not(Before|After)|onlyReturn|terms|csr|identifiers?$)/.test(
            name,
          );
        fc.pre(!Object.keys(extra).some(isKnown));
        const payload = { ...wish.payload, ...extra };
        assert.equal(decide(all, header(wish), payload).verdict.kind, 'denied');
        assert.equal(decide(all, header(wish), extra).verdict.kind, 'denied');
      }),
      fuzzed(2000),
    );
  });

  it('never approves a CSR with a bit turned', () => {
    const all: PolicySettings = {
      operations: OPERATIONS,
      identifiers: ['**', '::/0', '0.0.0.0/0'],
      'allow-wildcards': true,
    };
    fc.assert(
      fc.property(fc.nat(5), fc.nat(), fc.nat(7), (index, at, bit) => {
        const wish = csrs[index]?.wish ?? assert.fail('no csr');
        const der = Buffer.from(String(wish.payload?.['csr']), 'base64url');
        const place = at % der.length;
        der[place] = (der[place] ?? 0) ^ (1 << bit);
        const payload = { csr: der.toString('base64url') };
        const { verdict } = decide(all, header({ ...wish, server: 'https://ca.example' }), payload);
        assert.equal(verdict.kind, 'denied');
      }),
      fuzzed(1000),
    );
  });
});

/** The rules that refuse, each read from the settings as they are written. */
function slowProblems(settings: PolicySettings, wish: Wish): string[] {
  const { deny = {}, validity, profiles = [''] } = settings;
  const { operation, names, payload, server, key } = wish;
  const isOrder = operation === 'new-order';
  const matches = (pattern: string, { type, value }: Wish['names'][number]): boolean =>
    /^[\d.]+(\/|$)|:/.test(pattern)
      ? type === 'ip' && slowlyHolds(pattern, value)
      : type === 'dns' && slowlyAllows(pattern, value);
  const denies = (pattern: string, name: Wish['names'][number]): boolean =>
    matches(pattern, name) ||
    (name.type === 'dns' && !/^[\d.]+(\/|$)|:/.test(pattern) && slowlyDenies(pattern, name.value));
  const used = key === undefined ? undefined : KEYS[key];
  const hash = key === undefined ? '' : (hashes[key] ?? '');
  const isOfType = (type: string): boolean =>
    used?.type === 'rsa'
      ? used.bits >= Number(/^rsa(?:>=(\d+))?$/.exec(type)?.[1] ?? (type === 'rsa' ? 0 : Infinity))
      : type === used?.type;
  const problems: readonly (readonly [string, boolean])[] = [
    ['operations', !(settings.operations ?? []).includes(operation)],
    ['deny.operations', (deny.operations ?? []).includes(operation)],
    ['servers', settings.servers?.includes(server) === false],
    ['deny.servers', (deny.servers ?? []).includes(server)],
    [
      'identifiers',
      !names.every((name) => (settings.identifiers ?? []).some((each) => matches(each, name))),
    ],
    [
      'deny.identifiers',
      names.some((name) => (deny.identifiers ?? []).some((p) => denies(p, name))),
    ],
    [
      'max-identifiers',
      new Set(names.map(({ value }) => value)).size > (settings['max-identifiers'] ?? Infinity),
    ],
    [
      'allow-wildcards',
      settings['allow-wildcards'] !== true && names.some(({ value }) => value.startsWith('*')),
    ],
    ['csr-keys', used !== undefined && settings['csr-keys']?.includes(hash) === false],
    ['deny.csr-keys', used !== undefined && deny['csr-keys']?.includes(hash) === true],
    ['csr-key-types', used !== undefined && settings['csr-key-types']?.some(isOfType) === false],
    ['profiles', isOrder && !profiles.includes(textOf(payload?.['profile']))],
    ['validity', isOrder && !slowlyInTime(validity, payload)],
  ];
  return problems.filter(([, isProblem]) => isProblem).map(([rule]) => `web.${rule}`);
}

function slowlyInTime(validity: PolicySettings['validity'], payload: Wish['payload']): boolean {
  const { notBefore, notAfter } = payload ?? {};
  if (notBefore === undefined && notAfter === undefined) {
    return true;
  }
  const hoursOf = (text: string | undefined): number => 24 * Number(text?.replace('d', '') ?? 0);
  const start = notBefore === undefined ? NOW : Date.parse(textOf(notBefore));
  const length = notAfter === undefined ? 0 : (Date.parse(textOf(notAfter)) - start) / HOUR_MS;
  const isEndRight = notAfter === undefined || (length > 0 && length <= hoursOf(validity?.max));
  const aheadHours = (start - NOW - 300_000) / HOUR_MS;
  return validity !== undefined && aheadHours <= hoursOf(validity.ahead) && isEndRight;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
