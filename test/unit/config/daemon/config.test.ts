import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parseClavigerdConfig,
  servedListeners,
  type ClavigerdConfig,
  type ClavigerdConfigInput,
} from '../../../../src/config/daemon/config.js';
import { describeUnused } from '../../../../src/config/daemon/references.js';
import type { Start } from '../../../../src/config/daemon/listen-settings.js';
import { AppError } from '../../../../src/lib/errors.js';

const SOCKETS: Start = { kind: 'sockets', passed: [] };
const STDIO: Start = { kind: 'stdio' };
const KEY = 'privkey = "file:/k"\n';
const LISTEN = '[[listen]]\nsocket = "/run/S"\n';

type Change = Partial<ClavigerdConfigInput>;

function parse(text: string, change: Change = {}): ClavigerdConfig {
  return parseClavigerdConfig({
    source: 'f',
    text,
    commandLine: {},
    specifiers: new Map([
      ['t', '/run'],
      ['S', '/var/lib'],
      ['h', '/home/x'],
      ['%', '%'],
    ]),
    start: SOCKETS,
    groupIdOf: (group) => (group === 'acme' ? 4711 : undefined),
    ...change,
  });
}

function problemsOf(text: string, change: Change = {}): readonly string[] {
  try {
    parse(text, change);
  } catch (error) {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, 'CONFIG_INVALID');
    return error.message.split('\n');
  }
  return assert.fail('no problem');
}

function passed(...names: readonly string[]): Change {
  return { start: { kind: 'sockets', passed: names } };
}

describe('clavigerd.toml without sections', () => {
  it('is one account and one socket for its owner', () => {
    const config = parse(KEY);
    assert.equal(config.accounts.length, 1);
    assert.equal(config.accounts[0]?.name, 'default');
    assert.deepEqual(config.accounts[0].privkeys, ['file:/k']);
    assert.equal(config.stateDirectory, '/var/lib/claviger');
    assert.equal(config.auditLog, undefined);
    assert.deepEqual(config.listeners, [
      {
        name: 'S.claviger',
        place: {
          kind: 'socket',
          path: '/run/S.claviger',
          mode: 0o600,
          group: undefined,
          groupId: undefined,
        },
        account: 'default',
        policy: undefined,
        lineTimeoutMs: 10_000,
        idleTimeoutMs: 600_000,
        maxConnections: 256,
        maxQueuedRequests: 1024,
      },
    ]);
  });

  it('serves every socket that systemd passed, or stdio', () => {
    const [listener] = parse(KEY, passed('a', 'a', 'b')).listeners;
    assert.deepEqual(listener?.place, { kind: 'descriptor', name: undefined });
    assert.equal(listener.name, 'systemd');
    assert.equal(parse(KEY, { start: STDIO }).listeners[0]?.name, 'stdio');
  });

  it('takes the default policy for its account and its listener', () => {
    const config = parse(`${KEY}default-policy = "web"\n[policy.web]\noperations = ["read"]`);
    assert.equal(config.accounts[0]?.policy, 'web');
    assert.equal(config.listeners[0]?.policy, 'web');
    assert.deepEqual(config.policies, { web: { operations: ['read'] } });
  });

  it('takes the audit log with its specifiers', () => {
    const config = parse(`${KEY}audit-log = "%S/claviger/a.log"\naudit-durable = true`);
    assert.equal(config.auditLog, '/var/lib/claviger/a.log');
    assert.equal(config.auditDurable, true);
  });

  for (const [text, problem] of [
    ['audit-log = "a.log"', 'f:2: audit-log: "a.log" is not an absolute path'],
    ['audit-durable = true', 'f:2: audit-durable: there is no audit-log'],
    [
      'audit-log = "/l//c"\nlogfile = "/l/c"',
      'f:2: audit-log: is the logfile, whose lines would break its chain',
    ],
    ['default-policy = "web"', 'f:2: default-policy: there is no [policy.web]'],
    ['default-policy = "constructor"', 'f:2: default-policy: there is no [policy.constructor]'],
    ['policy = "web"', 'f:2: policy: must be a table'],
    ['policy = []', 'f:2: policy: must be a table'],
    ['account = 2020-01-01', 'f:2: account: must be a table'],
    ['account.web = 1', 'f:2: account.web: must be a section, [account.web]'],
    ['listen = []', 'f:2: listen: must have an entry'],
    ['[listen]\nsocket = "/x"', 'f:2: listen: expected Array, got object'],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.deepEqual(problemsOf(`${KEY}${text}`), [problem]);
    });
  }
});

describe('[account.NAME]', () => {
  it('has its own key, key ID and PIN, and the rest from the top', () => {
    const { accounts } = parse(`${KEY}keyid = "https://ca/1"
pin-source = "file:/p"
openpgp-key = "/o"
gpg = "gpg2 --batch"
pinentry = "pe -x"
helpers = 3
sign-timeout = 7
touch-notice = 5
default-policy = "all"
[policy.all]
[account.a]
privkey = "file:%h/%%k"
[account.b]
privkey = ["pkcs11:object=%41", "file:/b"]
keyid = "https://ca/2"
pin-source = "file:%h/p"
gpg = "g"
sign-timeout = 9
policy = "all"
`);
    const [, a, b] = accounts;
    assert.deepEqual(a, {
      ...accounts[0],
      name: 'a',
      privkeys: ['file:/home/x/%k'],
      keyId: undefined,
      pinSource: undefined,
      openpgpKey: undefined,
      policy: undefined,
    });
    assert.deepEqual(a.gpgCommand, ['gpg2', '--batch']);
    assert.equal(a.signTimeoutMs, 7000);
    assert.deepEqual(b, {
      ...accounts[0],
      name: 'b',
      privkeys: ['pkcs11:object=%41', 'file:/b'],
      keyId: 'https://ca/2',
      pinSource: 'file:/home/x/p',
      openpgpKey: undefined,
      gpg: 'g',
      gpgCommand: ['g'],
      signTimeoutMs: 9000,
      policy: 'all',
    });
  });

  it('makes the key at the top needless when nobody listens for it', () => {
    const config = parse(`[account.a]\nprivkey = "file:/a"\n${LISTEN}account = "a"`);
    assert.deepEqual(config.accounts[0]?.privkeys, []);
    assert.equal(config.listeners[0]?.account, 'a');
  });

  for (const setting of ['keyid = "https://ca/1"', 'default-policy = "p"', 'pin-source = "/p"']) {
    it(`refuses ${setting} at the top when it would apply to nothing`, () => {
      const sections = `[policy.p]\n[account.a]\nprivkey = "file:/a"\n${LISTEN}account = "a"`;
      const [name] = setting.split(' ');
      assert.deepEqual(problemsOf(`${setting}\n${sections}`), [
        `f:1: ${name}: is of the default account, which has no privkey; accounts do not take it`,
      ]);
    });
  }

  for (const [text, ...problems] of [
    ['[account.a]\nkeyid = ""', 'f:2: account.a.privkey: is missing: name the account key,'],
    ['[account.default]\nprivkey = "file:/x"', 'f:2: account.default: the default account is'],
    ['[account."a b"]\nprivkey = "file:/x"', 'f:2: account: "a b" is no name: it has 1 to 64 of'],
    ['[account.__proto__]\nprivkey = "file:/x"', 'f:2: account: "__proto__" is no name'],
    [
      '[account.a]\nprivkey = "file:/x"\nsocket = "/s"\nkeyid = "x"\nhelpers = 0\npolicy = "no"',
      'f:4: account.a.socket: unknown setting',
      'f:5: account.a.keyid: is not an account URL',
      'f:6: account.a.helpers: must be at least 1',
      'f:7: account.a.policy: there is no [policy.no]',
    ],
    ['[account.a]\nprivkey = "file:%Z"', 'f:3: account.a.privkey: "file:%Z" has the unknown'],
    ['[account.a]\nprivkey = "x"\ngpg = "g \'"', 'f:4: account.a.gpg: '],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      const told = problemsOf(`${KEY}${text}`);
      assert.equal(told.length, problems.length, told.join('\n'));
      for (const [at, problem] of problems.entries()) {
        assert.ok(told[at]?.startsWith(problem), told.join('\n'));
      }
    });
  }

  it('tells what is wrong at the top once, not for each account', () => {
    const told = problemsOf(`${KEY}gpg = "g '"\n[account.a]\nprivkey = "file:/x"`);
    assert.equal(told.length, 1, told.join('\n'));
  });
});

describe('[policy.NAME]', () => {
  it('is checked for its types, and asked for its meaning', () => {
    const asked: unknown[] = [];
    const told = problemsOf(
      `${KEY}[policy.web]\noperations = ["read"]\nservers = 1\ndeny = { identifiers = [1] }\nvalidity = { min = "1d" }`,
      {
        checkPolicy: (name, settings, onProblem) => {
          asked.push(name, settings);
          onProblem({ key: 'policy.web.operations.0', problem: 'is odd' });
        },
      },
    );
    assert.deepEqual(asked, ['web', { operations: ['read'] }]);
    assert.deepEqual(told, [
      'f:3: policy.web.operations 1: is odd',
      'f:4: policy.web.servers: expected Array, got number',
      'f:5: policy.web.deny.identifiers 1: expected string, got number',
      'f:6: policy.web.validity.min: unknown setting',
    ]);
  });
});

describe('[[listen]]', () => {
  it('is any number of places, each with its own rights and limits', () => {
    const config = parse(
      `${KEY}line-timeout = 5
default-policy = "issue"
[policy.issue]
[policy.narrow]
[account.b]
privkey = "file:/b"
[[listen]]
socket = "/run/admin"
[[listen]]
name = "web"
socket = "/run/web"
mode = "0660"
group = "acme"
policy = "narrow"
max-connections = 2
max-queued-requests = 3
idle-timeout = 4
[[listen]]
descriptor = "remote.socket"
account = "b"
[[listen]]
stdio = true
`,
      passed('remote.socket'),
    );
    const told = config.listeners.map(({ name, account, policy }) => [name, account, policy]);
    assert.deepEqual(told, [
      ['admin', 'default', 'issue'],
      ['web', 'default', 'narrow'],
      ['remote.socket', 'b', undefined],
      ['stdio', 'default', 'issue'],
    ]);
    const web = config.listeners[1];
    const place = { kind: 'socket', path: '/run/web', mode: 0o660, group: 'acme', groupId: 4711 };
    assert.deepEqual(web?.place, place);
    assert.deepEqual(
      [web.maxConnections, web.maxQueuedRequests, web.idleTimeoutMs, web.lineTimeoutMs],
      [2, 3, 4000, 5000],
    );
    const served = (start: Start): string[] =>
      servedListeners(config, start).map(({ name }) => name);
    assert.deepEqual(served(SOCKETS), ['admin', 'web', 'remote.socket']);
    assert.deepEqual(served(STDIO), ['stdio']);
  });

  it('gets a name that can stand in a record, whatever its path', () => {
    const names = parse(`${KEY}[[listen]]\nsocket = "/run/a b"\n[[listen]]\nsocket = "/run/ü"`);
    assert.deepEqual(
      names.listeners.map(({ name }) => name),
      ['a_b', '_'],
    );
  });

  for (const [name, text, change, ...problems] of [
    ['nothing to listen on', '[[listen]]', {}, 'f:2: listen 1: needs one of socket, descriptor'],
    [
      'two places',
      '[[listen]]\nsocket = "/a"\ndescriptor = "b"',
      passed('b'),
      'f:2: listen 1: needs one of socket, descriptor and stdio, and only one',
    ],
    ['stdio switched off', '[[listen]]\nstdio = false', {}, 'f:2: listen 1: needs one', 'f:3: '],
    [
      'two paths that cannot be read',
      '[[listen]]\nsocket = "%Z"\n[[listen]]\nsocket = "%Z"',
      {},
      'f:3: ',
      'f:5: ',
    ],
    [
      'an unknown policy and account',
      `${LISTEN}policy = "p"\naccount = "a"`,
      {},
      'f:4: listen 1: policy: there is no [policy.p]',
      'f:5: listen 1: account: there is no [account.a]',
    ],
    ['a relative path', '[[listen]]\nsocket = "S"', {}, 'f:3: listen 1: socket: "S" is not an'],
    ['a bad specifier', '[[listen]]\nsocket = "%Z"', {}, 'f:3: listen 1: socket: "%Z" has the'],
    ['an unknown setting', `${LISTEN}keyid = "x"`, {}, 'f:4: listen 1: keyid: unknown setting'],
    ['an unknown group', `${LISTEN}mode = "0660"\ngroup = "x"`, {}, 'f:5: listen 1: group: there'],
    ['a group that gets nothing', `${LISTEN}group = "acme"`, {}, 'f:4: listen 1: group: gets noth'],
    ['a mode for all', `${LISTEN}mode = "0666"`, {}, 'f:4: listen 1: mode: must be "0600", or'],
    [
      'a mode to read alone',
      `${LISTEN}mode = "0640"`,
      {},
      'f:4: listen 1: mode: must be "0600", or',
    ],
    ['a mode without its owner', `${LISTEN}mode = "0060"`, {}, 'f:4: listen 1: mode: must be'],
    [
      'a mode that is a number',
      `${LISTEN}mode = 0o600`,
      {},
      'f:4: listen 1: mode: expected string',
    ],
    [
      'the mode of a passed socket',
      '[[listen]]\ndescriptor = "a"\nmode = "0600"\ngroup = "acme"',
      passed('a'),
      'f:4: listen 1: mode: is for a socket that the daemon binds itself; systemd has SocketMode=',
      'f:5: listen 1: group: is for a socket that the daemon binds itself; systemd has SocketMode=',
    ],
    [
      'the mode of stdio',
      `${LISTEN}[[listen]]\nstdio = true\nmode = "0600"`,
      {},
      'f:6: listen 2: mode: is for a socket that the daemon binds itself',
    ],
    ['a bad name', `${LISTEN}name = "a b"`, {}, 'f:4: listen 1: name: must have 1 to 64'],
    [
      'two of one name',
      '[[listen]]\nsocket = "/a/S"\n[[listen]]\nsocket = "/b/S"',
      {},
      'f:4: listen 2: name: "S" is taken by a section before',
    ],
    [
      'two at one place',
      `${LISTEN}${LISTEN}name = "x"`,
      {},
      'f:5: listen 2: socket: is taken by a section before',
    ],
    [
      'several stdio',
      '[[listen]]\nstdio = true\n[[listen]]\nstdio = true\nname = "x"',
      { start: STDIO },
      'f:5: listen 2: stdio: is taken by a section before',
    ],
    [
      'a descriptor that was not passed',
      '[[listen]]\ndescriptor = "a"\n[[listen]]\ndescriptor = "b"',
      passed('b'),
      'f:3: listen 1: descriptor: systemd passed no socket of the name "a"',
    ],
    [
      'a passed socket that no section names',
      LISTEN,
      passed('a', 'a'),
      'f:2: listen: systemd passed the socket "a", which no section names',
    ],
    ['--stdio without its section', LISTEN, { start: STDIO }, 'f:2: listen: --stdio needs'],
    [
      'stdio alone without --stdio',
      '[[listen]]\nstdio = true',
      {},
      'f:2: listen: there is nothing',
    ],
    ['the socket at the top', `socket = "/x"\n${LISTEN}`, {}, 'f:2: socket: does not go with'],
  ] as const) {
    it(`refuses ${name}`, () => {
      const told = problemsOf(`${KEY}${text}`, change);
      assert.equal(told.length, problems.length, told.join('\n'));
      for (const [at, problem] of problems.entries()) {
        assert.ok(told[at]?.startsWith(problem), told.join('\n'));
      }
    });
  }

  it('does not ask for passed sockets where nothing is served', () => {
    const sections = '[[listen]]\ndescriptor = "a"\n[[listen]]\nstdio = true';
    assert.equal(parse(`${KEY}${sections}`, { start: undefined }).listeners.length, 2);
  });

  for (const [name, text, commandLine] of [
    ['--socket', `${KEY}${LISTEN}`, { socket: '/x' }],
    [
      '--privkey',
      `[account.a]\nprivkey = "file:/a"\n${LISTEN}account = "a"`,
      { privkey: 'file:/k' },
    ],
  ] as const) {
    it(`refuses ${name} where it has no effect`, () => {
      assert.throws(
        () => parse(text, { commandLine }),
        (error) => error instanceof AppError && error.code === 'CONFIG_USAGE',
      );
    });
  }
});

describe('describeUnused', () => {
  const sections = '[policy.web]\n[policy.try]\n[account.b]\nprivkey = "file:/b"\npolicy = "try"\n';

  it('tells policies that hold for nobody, and accounts that nobody serves', () => {
    assert.deepEqual(describeUnused(parse(`${KEY}default-policy = "web"\n${sections}`)), [
      '[policy.try]: no client of any listener is held to it',
      '[account.b]: no listener serves it',
    ]);
    assert.equal(describeUnused(parse(`${KEY}${sections}`)).length, 3);
  });

  it('says nothing where all of it is used', () => {
    const listen = '[[listen]]\nsocket = "/run/b"\naccount = "b"\n';
    const config = parse(`${KEY}default-policy = "web"\n${sections}${LISTEN}${listen}`);
    assert.deepEqual(describeUnused(config), []);
    assert.deepEqual(describeUnused(parse(KEY)), []);
  });
});
