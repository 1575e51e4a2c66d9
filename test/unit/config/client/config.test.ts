import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  parseClavigerConfig,
  type ClavigerConfig,
  type ClavigerConfigInput,
} from '../../../../src/config/client/config.js';
import { nameProblem } from '../../../../src/acme/identifier.js';
import { specifierValues } from '../../../../src/config/specifiers.js';

const specifiers = specifierValues({
  uid: 0,
  gid: 0,
  userName: 'root',
  groupName: 'root',
  homeDirectory: '/root',
  variables: {},
});

function parse(text: string, more: Partial<ClavigerConfigInput> = {}): ClavigerConfig {
  return parseClavigerConfig({
    source: 'claviger.toml',
    text,
    commandLine: {},
    specifiers,
    nameProblem,
    ...more,
  });
}

function problemsOf(text: string, more: Partial<ClavigerConfigInput> = {}): string[] {
  try {
    parse(text, more);
  } catch (error) {
    return error instanceof Error ? error.message.split('\n') : [];
  }
  return [];
}

describe('parseClavigerConfig', () => {
  it('has a default for everything but the certificate', () => {
    const config = parse('');
    assert.equal(config.server.href, 'https://acme-v02.api.letsencrypt.org/directory');
    assert.deepEqual(config.signer, { kind: 'socket', path: '/run/S.claviger' });
    assert.equal(config.timeoutMs, 300_000);
    assert.equal(config.quiet, false);
    assert.equal(config.requested, undefined);
    assert.deepEqual(config.certificates, []);
  });

  it('expands specifiers in paths and in each word of the command', () => {
    const config = parse(`server-ca-file = "%E/ca.pem"\nsigner-command = "ssh 'a b' %h/x%%"`);
    assert.equal(config.serverCaFile, '/etc/ca.pem');
    assert.deepEqual(config.signer, { kind: 'command', words: ['ssh', 'a b', '/root/x%'] });
  });

  it('lets the command line win, also over what excludes it', () => {
    const config = parse(
      'server = "https://a.example/"\nsigner-command = "ssh a"\nwebroot = "/w"\nkey = "/k"\ncert = "/c"',
      {
        commandLine: { server: 'https://b.example/', socket: '/s', listen: ':81', quiet: true },
        names: ['a.example'],
      },
    );
    assert.equal(config.server.href, 'https://b.example/');
    assert.deepEqual(config.signer, { kind: 'socket', path: '/s' });
    assert.deepEqual(config.requested?.challenge, {
      kind: 'listen',
      address: { host: undefined, port: 81 },
    });
    assert.equal(config.quiet, true);
  });

  it('reads certificate sections with the defaults of the top level', () => {
    const config = parse(`
      webroot = "/w"
      ca-file = "/root.pem"
      key-type = "p384"
      [[certificate]]
      names = ["a.example", "b.example"]
      key = "/a.key"
      fullchain = "/a.pem"
      [[certificate]]
      names = ["c.example"]
      key = "/c.key"
      cert = "/c.pem"
      key-type = "rsa2048"
      listen = "127.0.0.1:5080"
    `);
    const [first, second] = config.certificates;
    assert.deepEqual(first?.names, ['a.example', 'b.example']);
    assert.deepEqual(first.challenge, { kind: 'webroot', directory: '/w' });
    assert.equal(first.keyType, 'p384');
    assert.equal(first.caFile, '/root.pem');
    assert.equal(second?.keyType, 'rsa2048');
    assert.equal(second.challenge.kind, 'listen');
  });

  it('does not hand one key or certificate file to every section', () => {
    const problems = problemsOf(
      'key = "/k"\ncert = "/c"\n[[certificate]]\nnames = ["a.example"]\n',
    );
    assert.equal(problems.length, 2);
    assert.ok(problems.every((line) => line.includes('certificate 1: ')));
  });

  it('reports unknown settings and wrong types all at once, with their lines', () => {
    const problems = problemsOf('servr = "x"\nquiet = "yes"\ntimeout = 0\nkey-type = "dsa"\n');
    assert.equal(problems.length, 4);
    assert.match(problems.join('\n'), /claviger\.toml:1: servr: unknown setting/);
    assert.match(problems.join('\n'), /claviger\.toml:2: quiet: expected boolean/);
  });

  it('reports what is wrong with values all at once', () => {
    const problems = problemsOf(
      'socket = "/s"\nsigner-command = "ssh \'a"\nlisten = "80"\nserver-ca-file = "%Z"\nca-file = "x%"',
      { names: ['a.example'] },
    );
    const text = problems.join('\n');
    for (const pattern of [
      /toml:1: socket: does not go with signer-command/,
      /unclosed/,
      /listen/,
      /%Z/,
      /ca-file/,
      /^command line: --key: is missing/m,
      /^command line: --cert: is missing, and fullchain too/m,
    ]) {
      assert.match(text, pattern);
    }
  });

  it('tells every typo of a section at once, counted from 1, with the nearest known name', () => {
    assert.deepEqual(
      problemsOf(
        '[[certificate]]\nname = ["a.example"]\nkeytype = "p256"\nkey = "/k"\ncert = "/c"\nxyz = 1\n' +
          '[[certificate]]\nnames = ["b.example", 2]\nkey = "/l"\nfulchain = "/d"\n',
      ),
      [
        'claviger.toml:1: certificate 1: names: is missing: name the hosts that the certificate is for',
        'claviger.toml:2: certificate 1: name: unknown setting; is names meant?',
        'claviger.toml:3: certificate 1: keytype: unknown setting; is key-type meant?',
        'claviger.toml:6: certificate 1: xyz: unknown setting',
        'claviger.toml:7: certificate 2: cert: is missing, and fullchain too: name a file for the certificate',
        'claviger.toml:8: certificate 2: names 2: expected string, got number',
        'claviger.toml:10: certificate 2: fulchain: unknown setting; is fullchain meant?',
      ],
    );
  });

  it('names line and place of each name that no certificate can be for', () => {
    const text =
      'quiet = true\n[[certificate]]\nnames = ["a.example"]\nkey = "/k"\ncert = "/c"\n\n' +
      '[[certificate]]\nkey = "/l"\ncert = "/d"\nnames = ["*.b.example", "b.example", "b"]\n';
    assert.deepEqual(problemsOf(text), [
      'claviger.toml:10: certificate 2: names 1: "*.b.example" is a wildcard (http-01 cannot prove a wildcard: name each host)',
      'claviger.toml:10: certificate 2: names 3: "b" is not a fully qualified domain name',
    ]);
  });

  it('names line and key of what is missing, as for the daemon', () => {
    const text = 'quiet = true\n\n[[certificate]]\nnames = ["a.example"]\ncert = "/c"\n';
    assert.deepEqual(problemsOf(text), [
      'claviger.toml:3: certificate 1: key: is missing: name the file of the private key',
    ]);
  });

  it('keeps times within their bounds', () => {
    assert.equal(parse('timeout = 86400\nrenew-interval = 60').timeoutMs, 86_400_000);
    assert.equal(parse('renew-interval = 604800').renewIntervalMs, 604_800_000);
    assert.equal(parse('').renewIntervalMs, 43_200_000);
    assert.deepEqual(problemsOf('timeout = 86401\nrenew-interval = 59'), [
      'claviger.toml:1: timeout: must be at most 86400',
      'claviger.toml:2: renew-interval: must be at least 60',
    ]);
    assert.deepEqual(problemsOf('timeout = 1.5\nrenew-interval = 604801'), [
      'claviger.toml:1: timeout: must be a whole number of seconds',
      'claviger.toml:2: renew-interval: must be at most 604800',
    ]);
  });

  it('blames the command line, and no file, for what is wrong with an option', () => {
    const commandLine = { listen: 'localhost:80', key: '%Z', 'signer-command': "ssh 'a" };
    const problems = problemsOf('', { commandLine, names: ['a.example'] });
    assert.deepEqual(
      problems.map((line) => line.split(': ').slice(0, 2).join(': ')),
      ['signer-command', 'cert', 'key', 'listen'].map((name) => `command line: --${name}`),
    );
  });

  it('reports wrong options as such, and nothing else that is only their consequence', () => {
    const commandLine = { contact: ['nobody'], timeout: 0, key: '/k', cert: '/c' };
    assert.deepEqual(problemsOf('', { commandLine, names: ['a.example'] }), [
      'command line: --contact: must be a URI such as mailto:admin@example.org',
      'command line: --timeout: must be at least 1',
    ]);
  });

  it('wants a server that can be talked to', () => {
    for (const server of ['ca.example', 'http://ca.example/', 'https://me@ca.example/']) {
      const [problem, ...more] = problemsOf(`server = "${server}"`);
      assert.match(problem ?? '', /claviger\.toml:1: server: must be an https URL/);
      assert.deepEqual(more, []);
    }
    assert.equal(parse('server = "http://127.0.0.1:14000/dir"').server.protocol, 'http:');
  });

  it('refuses one file for two purposes', () => {
    const problems = problemsOf('key = "/a"\ncert = "/a"', { names: ['a.example'] });
    assert.match(problems.join('\n'), /must differ/);
    const spelled = 'key = "/a/k.pem"\ncert = "/c"\nfullchain = "/a/./b/../k.pem"';
    assert.match(problemsOf(spelled, { names: ['a.example'] }).join('\n'), /must differ/);
    const relative = 'key = "k.pem"\nfullchain = "./k.pem"';
    assert.match(problemsOf(relative, { names: ['a.example'] }).join('\n'), /must differ/);
  });

  const section = (name: string, files: string): string =>
    `[[certificate]]\nnames = ["${name}.example"]\n${files}\n`;

  it('refuses an output that is a file of another section', () => {
    const outputs = section('a', 'key = "/k"\ncert = "/a"\nfullchain = "/f"');
    for (const [other, file, name] of [
      ['key = "/l"\ncert = "/b/../a"', '/b/../a', 'cert'],
      ['key = "/l"\nfullchain = "/f"', '/f', 'fullchain'],
      ['key = "/l"\nfullchain = "/k"', '/k', 'fullchain'],
    ] as const) {
      assert.deepEqual(problemsOf(outputs + section('b', other)), [
        `claviger.toml:9: certificate 2: ${name}: ${file} is a file of certificate 1 too`,
      ]);
    }
    const asKey = problemsOf(outputs + section('b', 'key = "/a"\ncert = "/b"'));
    assert.deepEqual(asKey, [
      'claviger.toml:4: certificate 1: cert: /a is a file of certificate 2 too',
    ]);
    assert.deepEqual(problemsOf(outputs + section('b', 'key = "/k"\ncert = "/b"')), []);
  });

  it('refuses relative paths in sections, inherited ones too', () => {
    const problems = problemsOf(
      `webroot = "html"\nca-file = "/ca"\n${section('a', 'key = "k"\ncert = "./c"\nfullchain = "/f"')}`,
    );
    assert.deepEqual(problems, [
      'claviger.toml:3: certificate 1: webroot: "html" is not an absolute path',
      'claviger.toml:5: certificate 1: key: "k" is not an absolute path',
      'claviger.toml:6: certificate 1: cert: "./c" is not an absolute path',
    ]);
  });

  it("has a state directory of its own, systemd's, or the one named; never a relative one", () => {
    const onlyHome = new Map([...specifiers, ['S', undefined]] as const);
    assert.equal(parse('').stateDirectory, '/var/lib/claviger-client');
    assert.equal(parse('', { specifiers: onlyHome }).stateDirectory, undefined);
    assert.equal(parse('', { stateDirectory: '/run/made' }).stateDirectory, '/run/made');
    const named = 'state-directory = "%S/other"';
    assert.equal(parse(named, { stateDirectory: '/run/made' }).stateDirectory, '/var/lib/other');
    assert.deepEqual(problemsOf('state-directory = "state"'), [
      'claviger.toml:1: state-directory: "state" is not an absolute path',
    ]);
  });

  it('refuses webroot and listen together', () => {
    const problems = problemsOf('key = "/a"\ncert = "/b"\nwebroot = "/w"\nlisten = ":80"', {
      names: ['a.example'],
    });
    assert.match(problems.join('\n'), /:4: listen: does not go with webroot/);
  });
});
