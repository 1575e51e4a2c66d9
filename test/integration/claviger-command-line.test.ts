// The command line of claviger: what it teaches, what it refuses, and with which exit status.

import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runClaviger, writeAccountKey } from '../support/claviger.js';
import {
  startAcmeServer,
  type AcmeServer,
  type AcmeServerOptions,
} from '../support/acme-server.js';
import { startClavigerd } from '../support/clavigerd.js';
import { freePort } from '../support/free-port.js';
import type { CommandResult } from '../support/process.js';
import { mustRun } from '../support/process.js';
import { ROOT } from '../support/programs.js';
import { atEnd, type Scope } from '../support/scope.js';
import { makeTempDir } from '../support/temp-dir.js';

const COMMANDS = [
  ['issue'],
  ['renew'],
  ['revoke'],
  ['account', 'register'],
  ['account', 'show'],
] as const;

function assertUsage(result: CommandResult, pattern: RegExp): void {
  assert.equal(result.code, 2, result.stderr);
  assert.match(result.stderr, pattern);
}

describe('claviger --help', () => {
  it('teaches with examples, on standard output', async () => {
    const { code, stdout, stderr } = await runClaviger(['--help']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    for (const word of [
      'account register --agree-tos',
      'issue',
      'renew',
      'revoke',
      '--webroot',
      '%E',
    ]) {
      assert.ok(stdout.includes(word), word);
    }
  });

  it('and the manual page name every option of every command', async () => {
    const manual = await readFile(join(ROOT, 'docs/man/claviger.1'), 'utf8');
    for (const command of COMMANDS) {
      const { code, stdout } = await runClaviger([...command, '--help']);
      assert.equal(code, 0);
      const options = [...stdout.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, name]) => name);
      assert.ok(options.length >= 7);
      for (const option of options) {
        const name = option ?? '';
        assert.match(manual, new RegExp(`Fl -${name}\\b`), `${command.join(' ')} --${name}`);
      }
    }
  });

  it('has a version beside it', async () => {
    const { code, stdout } = await runClaviger(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

describe('the manual pages', () => {
  it('are good mdoc', async () => {
    for (const page of ['claviger.1', 'claviger.toml.5']) {
      const path = join(ROOT, 'docs/man', page);
      assert.equal(await mustRun('mandoc', ['-T', 'lint', '-W', 'warning', path]), '');
    }
  });

  it('name every setting', async () => {
    const manual = await readFile(join(ROOT, 'docs/man/claviger.toml.5'), 'utf8');
    const { clavigerSchema } = await import('../../src/config/claviger-schema.js');
    for (const setting of [...Object.keys(clavigerSchema.entries), 'names']) {
      assert.ok(manual.includes(`.It Ic ${setting}`), setting);
    }
  });
});

describe('claviger', () => {
  it('wants a command it knows', async () => {
    assertUsage(await runClaviger(['frobnicate']), /claviger: error: unknown command 'frobnicate'/);
    assertUsage(await runClaviger([]), /Usage: claviger/);
    assertUsage(await runClaviger(['account']), /Usage: claviger account/);
  });

  it('wants options it knows, and values they can have', async () => {
    for (const args of [
      ['issue', 'a.test', '--frobnicate'],
      ['issue', 'a.test', '--key-type=dsa'],
      ['issue', 'a.test', '--timeout=soon'],
      ['issue', 'a.test', '--listen=:80', '--webroot=/w'],
      ['issue', 'a.test', '--socket=/s', '--signer-command=ssh a'],
      ['issue'],
      ['revoke', 'a.pem', '--reason=boredom'],
      ['account', 'show', 'extra'],
      ['account', 'show', '--server=ca.test'],
      ['account', 'show', '--timeout=0'],
    ]) {
      assertUsage(await runClaviger(args), /^claviger: error: /m);
    }
  });

  it('tells every problem of the configuration at once', async (t) => {
    const config = join(await makeTempDir(t), 'claviger.toml');
    await writeFile(config, 'servr = "x"\nquiet = 1\n', { mode: 0o600 });
    const result = await runClaviger(['account', 'show', `--config=${config}`]);
    assertUsage(result, /claviger\.toml:1: servr: unknown setting\nclaviger: error: .*:2: quiet: /);
  });

  it('wants a configuration file that is there when one is named', async (t) => {
    const path = join(await makeTempDir(t), 'missing.toml');
    assertUsage(await runClaviger(['renew', `--config=${path}`]), /ENOENT/);
  });

  it('wants to know where key and certificate go, and names that can be', async (t) => {
    const cwd = await makeTempDir(t);
    const config = join(cwd, 'claviger.toml');
    await writeFile(config, '', { mode: 0o600 });
    const run = (...args: string[]): Promise<CommandResult> =>
      runClaviger(['issue', `--config=${config}`, ...args], { cwd });
    assertUsage(await run('a.test'), /key is missing[^]*cert or fullchain is missing/);
    const files = ['--key=k.pem', '--cert=c.pem'];
    assertUsage(await run('*.a.test', ...files), /wildcard[^]*hint: http-01/);
    assertUsage(await run('a_b.test', ...files), /not a valid domain name/);
    assertUsage(await run('a.test', ...files, '--contact=x'), /unknown option/);
    assert.deepEqual(await readdir(cwd), ['claviger.toml']);
  });

  it('wants something to renew', async (t) => {
    const config = join(await makeTempDir(t), 'claviger.toml');
    await writeFile(config, '', { mode: 0o600 });
    assertUsage(await runClaviger(['renew', `--config=${config}`]), /\[\[certificate\]\]/);
    await writeFile(config, '[[certificate]]\nnames = ["*.a.test", "b"]\nkey = "k"\ncert = "c"\n');
    assertUsage(await runClaviger(['renew', `--config=${config}`]), /certificate 1: name: /);
  });
});

describe('claviger issue', () => {
  interface Setup {
    readonly folder: string;
    readonly server: AcmeServer;
    readonly issue: (...args: string[]) => Promise<CommandResult>;
  }

  async function prepare(scope: Scope, options: AcmeServerOptions = {}): Promise<Setup> {
    const signer = await startClavigerd(scope, {
      key: await writeAccountKey(scope, 'ES256'),
    });
    const server = await startAcmeServer(scope, options);
    const folder = await makeTempDir(scope);
    const config = join(folder, 'claviger.toml');
    const root = join(folder, 'root.pem');
    await writeFile(root, server.root.pem);
    const settings = {
      server: server.directoryUrl,
      'server-ca-file': server.caFile,
      socket: signer.socket,
      listen: `127.0.0.1:${await freePort()}`,
      'ca-file': root,
    };
    const lines = Object.entries(settings).map(([k, v]) => `${k} = ${JSON.stringify(v)}\n`);
    await writeFile(config, lines.join(''), { mode: 0o600 });
    const files = ['--key=key.pem', '--cert=cert.pem', '--chain=chain.pem', '--fullchain=full.pem'];
    return {
      folder,
      server,
      issue: (...args) =>
        runClaviger(['issue', 'a.test', 'b.test', ...files, `--config=${config}`, ...args], {
          cwd: folder,
        }),
    };
  }

  it('tells what it does unless --quiet', async (t) => {
    const { issue } = await prepare(t);
    const told = await issue();
    assert.equal(told.code, 0, told.stderr);
    assert.equal(told.stdout, '');
    for (const pattern of [/made a new p256 key/, /a\.test: authorized/, /installed .*full\.pem/]) {
      assert.match(told.stderr, pattern);
    }
    const quiet = await issue('--quiet');
    assert.deepEqual([quiet.code, quiet.stdout, quiet.stderr], [0, '', '']);
  });

  const wrong: readonly (readonly [string, AcmeServerOptions, RegExp])[] = [
    [
      'another key',
      { chain: ([, issuer]) => `${issuer ?? ''}${issuer ?? ''}` },
      /another key than ours/,
    ],
    [
      'other names',
      { leaf: (ordered) => ({ names: [...ordered.names, { type: 'dns', value: 'evil.test' }] }) },
      /other names than requested: a\.test, b\.test, evil\.test/,
    ],
    [
      'a date in the past',
      { leaf: (ordered) => ({ ...ordered, notAfter: Date.now() - 1000 }) },
      /expired/,
    ],
    ['no issuer', { chain: ([leaf]) => leaf ?? '' }, /none of the authorities/],
    [
      'a key in it',
      { chain: (c) => `${c.join('')}-----BEGIN PRIVATE KEY-----\n` },
      /more than certificates/,
    ],
    ['nothing in it', { chain: () => '' }, /no certificate/],
  ];
  for (const [name, options, pattern] of wrong) {
    it(`installs no chain with ${name}`, async (t) => {
      const { issue, folder } = await prepare(t, options);
      for (const file of ['cert.pem', 'chain.pem', 'full.pem']) {
        await writeFile(join(folder, file), `old ${file}`);
      }
      const result = await issue();
      assert.equal(result.code, 1);
      assert.match(result.stderr, pattern);
      for (const file of ['cert.pem', 'chain.pem', 'full.pem']) {
        assert.equal(await readFile(join(folder, file), 'utf8'), `old ${file}`);
      }
      assert.equal(
        (await readdir(folder)).some((file) => file.endsWith('.tmp')),
        false,
      );
    });
  }

  it('finds what is wrong here before it asks anybody', async (t) => {
    const { issue, folder, server } = await prepare(t);
    const key = join(folder, 'key.pem');
    await writeFile(key, 'no key', { mode: 0o600 });
    const blocked = createServer();
    const port = await freePort();
    blocked.listen({ host: '127.0.0.1', port });
    atEnd(t, () => {
      blocked.close();
    });
    const failures: readonly (readonly [readonly string[], RegExp])[] = [
      [[], /key\.pem: is not a PEM private key/],
      [
        ['--cert=missing/cert.pem'],
        /missing\/cert\.pem: cannot be written[^]*hint: create the folder/,
      ],
      [['--key=other.key', `--listen=127.0.0.1:${port}`], /cannot listen on[^]*hint: .*--webroot/],
      [['--key=other.key', '--webroot=missing'], /webroot: ENOENT/],
      [['--ca-file=missing.pem'], /CA file missing\.pem/],
      [['--ca-file=claviger.toml'], /has no PEM certificate/],
      [['--key=other.key', '--server=http://ca.test/'], /not an https URL/],
    ];
    for (const [args, pattern] of failures) {
      const result = await issue(...args);
      assert.equal(result.code, 1, args.join(' '));
      assert.match(result.stderr, pattern);
    }
    await writeFile(key, '');
    await chmod(key, 0o644);
    const open = await issue();
    assert.match(open.stderr, /other users can read/);
    assert.deepEqual(server.calls, []);
  });

  it('waits for a server no longer than --timeout, in whatever it hangs', async (t) => {
    const { issue, server } = await prepare(t, {
      misbehave: ({ endpoint }) => (endpoint === 'finalize' ? { hang: true } : undefined),
    });
    const result = await issue('--timeout=2');
    assert.equal(result.code, 1);
    assert.match(result.stderr, /error: .*: not done within 2 s\n.*hint: .*--timeout/);
    assert.equal(server.calls.at(-1), 'finalize');
  });

  it('lets no escape sequence of a server through to the terminal', async (t) => {
    const { issue } = await prepare(t, {
      misbehave: ({ endpoint }) =>
        endpoint === 'newOrder'
          ? { status: 400, body: { detail: 'a\u001b]0;owned\u0007\nclaviger: installed' } }
          : undefined,
    });
    const { code, stderr } = await issue();
    assert.equal(code, 1);
    assert.equal(stderr.includes('\u001b'), false);
    assert.equal(stderr.includes('\nclaviger: installed'), false);
  });
});
