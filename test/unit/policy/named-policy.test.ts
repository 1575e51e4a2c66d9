import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseKeyPin, parseKeyType } from '../../../src/policy/csr-keys.js';
import { parseNamedPolicy, type PolicyProblem } from '../../../src/policy/named-policy.js';
import type { PolicySettings } from '../../../src/policy/policy-settings.js';
import { parseServer } from '../../../src/policy/request-url.js';
import { appErrorOf } from '../../support/app-error.js';

const HASH = Buffer.alloc(32, 0xa5);

function problemsOf(settings: PolicySettings, name = 'web'): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const policy = parseNamedPolicy(name, settings, (problem) => problems.push(problem));
  assert.equal(
    problems.length > 0 && policy.operations.size > 0,
    false,
    'bad, but allows something',
  );
  return problems;
}

describe('parseNamedPolicy', () => {
  it('allows nothing when nothing is named', () => {
    const policy = parseNamedPolicy('web', {}, ({ problem }) => assert.fail(problem));
    assert.deepEqual(policy, {
      name: 'web',
      operations: new Set(),
      identifiers: [],
      allowWildcards: false,
      maxIdentifiers: undefined,
      csrKeys: undefined,
      csrKeyTypes: undefined,
      profiles: new Set(['']),
      validity: undefined,
      servers: undefined,
      budgets: [],
      deny: {
        operations: new Set(),
        identifiers: [],
        csrKeys: new Set(),
        servers: new Set(),
      },
    });
  });

  it('reads every setting', () => {
    const settings: PolicySettings = {
      operations: ['new-order', 'finalize', 'read'],
      identifiers: ['www.example.org', '192.0.2.0/24'],
      'csr-keys': [HASH.toString('hex')],
      'csr-key-types': ['rsa>=3072', 'p256'],
      profiles: ['', 'shortlived'],
      servers: ['https://CA.example:443/'],
      'max-identifiers': 3,
      budgets: ['50 new-order per 1d', '5 new-order per 1d per identifier'],
      'allow-wildcards': true,
      validity: { max: '90d', ahead: '1h' },
      deny: {
        operations: ['read'],
        identifiers: ['admin.example.org'],
        'csr-keys': [`sha256:${HASH.toString('base64')}`],
        servers: ['http://127.0.0.1:4001'],
      },
    };
    const policy = parseNamedPolicy('web', settings, ({ problem }) => assert.fail(problem));
    assert.deepEqual(policy.operations, new Set(['new-order', 'finalize', 'read']));
    assert.deepEqual(
      policy.identifiers.map(({ text }) => text),
      ['www.example.org', '192.0.2.0/24'],
    );
    assert.deepEqual(policy.csrKeys, new Set([HASH.toString('hex')]));
    assert.deepEqual(policy.csrKeyTypes, [
      { text: 'rsa>=3072', type: 'rsa', minBits: 3072 },
      { text: 'p256', type: 'p256', minBits: 0 },
    ]);
    assert.deepEqual(policy.profiles, new Set(['', 'shortlived']));
    assert.deepEqual(policy.servers, new Set(['https://ca.example']));
    assert.equal(policy.maxIdentifiers, 3);
    assert.equal(policy.budgets.length, 2);
    assert.equal(policy.allowWildcards, true);
    assert.deepEqual(policy.validity, { maxMs: 7_776_000_000, aheadMs: 3_600_000 });
    assert.deepEqual(policy.deny.operations, new Set(['read']));
    assert.deepEqual(policy.deny.csrKeys, policy.csrKeys);
    assert.deepEqual(policy.deny.servers, new Set(['http://127.0.0.1:4001']));
  });

  it('reports every problem with its place, and then allows nothing', () => {
    const problems = problemsOf({
      operations: ['new-order', 'new order', 'NEW-ORDER'],
      identifiers: ['www.example.org', '*'],
      'csr-keys': ['abc'],
      'csr-key-types': ['dsa'],
      servers: ['https://ca.example/directory'],
      'max-identifiers': 0,
      budgets: ['many'],
      validity: { max: '90', ahead: 'x' },
      deny: {
        operations: ['x'],
        identifiers: ['192.0.2.1/24'],
        'csr-keys': [''],
        servers: ['ca.example'],
      },
    });
    assert.deepEqual(problems.map(({ key }) => key.replace(/^policy\.web\./, '')).sort(), [
      'budgets.0',
      'csr-key-types.0',
      'csr-keys.0',
      'deny.csr-keys.0',
      'deny.identifiers.0',
      'deny.operations.0',
      'deny.servers.0',
      'identifiers.1',
      'max-identifiers',
      'operations.1',
      'operations.2',
      'servers.0',
      'validity.ahead',
      'validity.max',
    ]);
    assert.match(problems.map(({ problem }) => problem).join('\n'), /behind its prefix/);
    assert.match(
      problems[0]?.problem ?? '',
      /^operation: "new order" is not known \(known are read, /,
    );
  });

  for (const [name, settings, key] of [
    ['half a name', { operations: ['read'], 'max-identifiers': 1.5 }, 'policy.web.max-identifiers'],
    [
      'too many names',
      { operations: ['read'], 'max-identifiers': 10_001 },
      'policy.web.max-identifiers',
    ],
    [
      'no number',
      { operations: ['read'], 'max-identifiers': Number.NaN },
      'policy.web.max-identifiers',
    ],
    ['an empty validity', { operations: ['read'], validity: {} }, 'policy.web.validity'],
    [
      'two budgets for one count',
      { operations: ['read'], budgets: ['5 read per 1d', '6 read per 24h'] },
      'policy.web.budgets',
    ],
  ] as const) {
    it(`reports ${name}`, () => {
      assert.deepEqual(
        problemsOf(settings).map((problem) => problem.key),
        [key],
      );
    });
  }

  it('takes budgets that differ in what they count', () => {
    const budgets = [
      '5 read per 1d',
      '5 read per 2d',
      '5 read per 1d per listener',
      '5 finalize per 1d',
      '5 finalize per 1d per identifier',
    ];
    assert.deepEqual(problemsOf({ operations: ['read', 'finalize'], budgets }), []);
  });

  it('reports a budget that counts what is not allowed: somebody relies on it', () => {
    const budgets = ['5 new-order per 1d', '5 new-authorization per 1d'];
    assert.deepEqual(problemsOf({ operations: ['new-order', 'finalize'], budgets }), [
      {
        key: 'policy.web.budgets.1',
        problem: 'counts new-authorization, which operations does not list',
      },
    ]);
  });

  it('reports deactivate-authorization without deactivate-account, which a CA may take it for', () => {
    const both = ['deactivate-authorization', 'deactivate-account'];
    for (const [settings, keys] of [
      [{ operations: ['deactivate-authorization'] }, ['policy.web.operations']],
      [
        { operations: both, deny: { operations: ['deactivate-account'] } },
        ['policy.web.deny.operations'],
      ],
      [{ operations: both }, []],
      [{ operations: ['deactivate-account'] }, []],
      [{ operations: both, deny: { operations: both } }, []],
      [{ operations: both, deny: { operations: ['deactivate-authorization'] } }, []],
    ] as const) {
      const problems = problemsOf(settings);
      assert.deepEqual(
        problems.map(({ key }) => key),
        keys,
      );
    }
  });

  for (const name of ['', '.', 'a.b', 'a b', '-a', 'ä', 'a\n', 'a'.repeat(65), '%']) {
    it(`reports the name ${JSON.stringify(name)}`, () => {
      assert.deepEqual(
        problemsOf({ operations: ['read'] }, name).map(({ key }) => key),
        [`policy.${name}`],
      );
    });
  }
});

describe('a pin of a key', () => {
  it('may be hexadecimal or base64', () => {
    const hex = HASH.toString('hex');
    for (const text of [hex, hex.toUpperCase(), `sha256:${hex}`, HASH.toString('base64')]) {
      assert.equal(parseKeyPin(text), hex);
    }
    assert.equal(parseKeyPin(`sha256:${HASH.toString('base64')}`), hex);
  });

  for (const text of [
    '',
    'sha256:',
    'sha1:abc',
    'a5'.repeat(31),
    'a5'.repeat(33),
    `${'a5'.repeat(31)}zz`,
    HASH.toString('base64url'),
    HASH.toString('base64').slice(0, -1),
    HASH.subarray(1).toString('base64'),
    ` ${HASH.toString('hex')}`,
  ]) {
    it(`is not ${JSON.stringify(text)}`, async () => {
      await appErrorOf(() => parseKeyPin(text), 'POLICY_INVALID');
    });
  }
});

describe('a type of keys', () => {
  for (const text of [
    'p256',
    'p384',
    'p521',
    'ed25519',
    'ed448',
    'rsa',
    'rsa>=2048',
    'rsa>=8192',
  ]) {
    it(`is ${text}`, () => {
      assert.equal(parseKeyType(text).text, text);
    });
  }

  for (const text of ['', 'RSA', 'rsa>=1024', 'rsa>=8193', 'rsa>3072', 'rsa>=', 'p224', 'p256 ']) {
    it(`is not ${JSON.stringify(text)}`, async () => {
      await appErrorOf(() => parseKeyType(text), 'POLICY_INVALID');
    });
  }
});

describe('a server of a policy', () => {
  for (const [text, origin] of [
    ['https://ca.example', 'https://ca.example'],
    ['https://CA.example:443/', 'https://ca.example'],
    ['https://[2001:db8::1]:14000', 'https://[2001:db8::1]:14000'],
    ['http://localhost:4001', 'http://localhost:4001'],
  ] as const) {
    it(`is ${text}`, () => {
      assert.equal(parseServer(text), origin);
    });
  }

  for (const text of [
    '',
    'ca.example',
    'http://ca.example',
    'https://ca.example/directory',
    'https://ca.example?x',
    'https://ca.example/?x',
    'https://ca.example#x',
    'https://user@ca.example',
    'https://cä.example',
    'https://',
    'https://ca.example//',
  ]) {
    it(`is not ${JSON.stringify(text)}`, async () => {
      await appErrorOf(() => parseServer(text), 'POLICY_INVALID');
    });
  }
});
