// `claviger issue` as a program: what it tells, what it installs, what it refuses to touch.

import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AcmeServerOptions } from '../../support/client/acme-server.js';
import { prepareIssue } from '../../support/client/claviger-issue.js';
import { freePort } from '../../support/free-port.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGER } from '../../support/programs.js';
import { atEnd } from '../../support/scope.js';
import { newKey, pemOf } from '../../support/client/test-ca.js';

describe('claviger issue', () => {
  it('tells what it does unless --quiet', async (t) => {
    const { issue } = await prepareIssue(t);
    const told = await issue();
    assert.equal(told.code, 0, told.stderr);
    assert.equal(told.stdout, '');
    for (const pattern of [
      /made a new p256 key/,
      /installed key\.pem, chain/,
      /a\.test: authorized/,
      /installed .*full\.pem/,
    ]) {
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
      const { issue, folder } = await prepareIssue(t, options);
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
    const { issue, folder, server } = await prepareIssue(t);
    const key = join(folder, 'key.pem');
    await writeFile(key, 'no key', { mode: 0o600 });
    const blocked = createServer();
    const port = await freePort();
    blocked.listen({ host: '127.0.0.1', port });
    atEnd(t, () => {
      blocked.close();
    });
    const failures: readonly (readonly [readonly string[], RegExp, number?])[] = [
      [[], /key\.pem: is not a PEM private key/],
      [
        ['--key=other.key', '--cert=missing/cert.pem'],
        /missing\/cert\.pem: cannot be written[^]*hint: create the folder/,
        2,
      ],
      [['--key=other.key', `--listen=127.0.0.1:${port}`], /cannot listen on[^]*hint: .*--webroot/],
      [['--key=other.key', '--webroot=missing'], /webroot: missing: ENOENT/, 2],
      [
        ['--key=other.key', '--ca-file=missing.pem'],
        /CA file: there is no missing\.pem\n.*hint: correct --ca-file/,
        2,
      ],
      [['--key=other.key', '--ca-file=claviger.toml'], /has no PEM certificate/],
    ];
    for (const [args, pattern, code = 1] of failures) {
      const result = await issue(...args);
      assert.equal(result.code, code, args.join(' '));
      assert.match(result.stderr, pattern);
    }
    await writeFile(key, '');
    await chmod(key, 0o644);
    const open = await issue();
    assert.match(open.stderr, /other users can read/);
    assert.deepEqual(server.calls, []);
  });

  it('waits for a server no longer than --timeout, in whatever it hangs', async (t) => {
    const { issue, server } = await prepareIssue(t, {
      misbehave: ({ endpoint }) => (endpoint === 'finalize' ? { hang: true } : undefined),
    });
    const result = await issue('--timeout=2');
    assert.equal(result.code, 1);
    assert.match(result.stderr, /error: .*: not done within 2 s\n.*hint: .*--timeout/);
    assert.equal(server.calls.at(-1), 'finalize');
  });

  it('lets no escape sequence of a server through to the terminal', async (t) => {
    const { issue } = await prepareIssue(t, {
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

  it('leaves no key behind when nobody could be asked', async (t) => {
    const { issue, folder } = await prepareIssue(t);
    const failures = [
      ['--server=http://ca.test/', 2],
      [`--server=https://localhost:${await freePort()}/`, 1],
      ['--socket=/nonexistent/S', 1],
    ] as const;
    for (const [option, code] of failures) {
      const result = await issue(option);
      assert.equal(result.code, code, result.stderr);
      // The lock alone, in the state directory.
      const files = (await readdir(folder)).filter((name) => name !== 'state');
      assert.deepEqual(files.sort(), ['claviger.toml', 'root.pem']);
    }
  });

  it('destroys no private key, however its file is named', async (t) => {
    const { issue, folder } = await prepareIssue(t);
    const key = join(folder, 'key.pem');
    await writeFile(key, pemOf(newKey()), { mode: 0o600 });
    const combined = join(folder, 'haproxy.pem');
    await writeFile(combined, pemOf(newKey()), { mode: 0o600 });
    const before = await readFile(key, 'utf8');
    await symlink(folder, join(folder, 'again'));
    for (const [path, code] of [
      ['./key.pem', 2],
      ['again/key.pem', 1],
      ['haproxy.pem', 1],
      ['again/haproxy.pem', 1],
    ] as const) {
      const result = await issue(`--fullchain=${path}`);
      assert.equal(result.code, code, result.stderr);
      assert.match(result.stderr, /must differ|same file|holds a private key/);
    }
    assert.equal(await readFile(key, 'utf8'), before);
    assert.match(await readFile(combined, 'utf8'), /PRIVATE KEY/);
  });

  it('says nothing with --quiet, however many names there are', async (t) => {
    const { issue } = await prepareIssue(t);
    const more = Array.from({ length: 20 }, (_, at) => `n${at}.test`);
    const { code, stdout, stderr } = await issue('--quiet', ...more);
    assert.deepEqual([code, stdout, stderr], [0, '', '']);
  });

  it('cleans up and goes on when nobody reads what it tells any more', async (t) => {
    const { args, folder } = await prepareIssue(t);
    const webroot = join(folder, 'html');
    await mkdir(webroot);
    const script = '"$@" 2>&1 | sed /answering/q; exit "${PIPESTATUS[0]}"';
    const command = [process.execPath, CLAVIGER, ...args, `--webroot=${webroot}`];
    const result = await runCommand('bash', ['-c', script, 'bash', ...command], { cwd: folder });
    assert.match(result.stdout, /answering the http-01 challenge[^\n]*\n$/);
    assert.equal(result.code, 0);
    assert.deepEqual(await readdir(join(webroot, '.well-known/acme-challenge')), []);
    assert.match(await readFile(join(folder, 'full.pem'), 'utf8'), /BEGIN CERTIFICATE/);
  });
});
