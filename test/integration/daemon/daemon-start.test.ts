// How the daemon starts, and every way in which it must not: real processes, real files.

import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  lchown,
  mkdir,
  readFile,
  rename,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parse } from 'smol-toml';
import { jwkOfKey } from '../../../src/jose/public-jwk.js';
import { runClavigerd, startClavigerd, writeKeyFile } from '../../support/daemon/clavigerd.js';
import { makeKey } from '../../support/keys/keys.js';
import { mustRun, runCommand, startProcess, type RunningProcess } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD, ROOT } from '../../support/programs.js';
import { formatSigningInput, isSignatureOf } from '../../support/requests/signing-request.js';
import { makeTempDir } from '../../support/temp-dir.js';

const key = makeKey('ES256');

interface Failure {
  readonly code: number;
  readonly error: RegExp;
  readonly hint?: RegExp;
}

/**
 * Runs the daemon, which must end at once with that exit code, error and hint, and say nothing
 * else.
 */
async function assertFails(
  args: readonly string[],
  { code, error, hint }: Failure,
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<void> {
  const result = await runClavigerd(args, { env, timeoutMs: 20_000 });
  assert.match(result.stderr, error);
  assert.equal(result.code, code, result.stderr);
  for (const line of result.stderr.trimEnd().split('\n')) {
    assert.match(line, /^(clavigerd: |\(clavigerd --help|$)/);
  }
  if (hint !== undefined) {
    assert.match(result.stderr, new RegExp(`^clavigerd: hint: .*${hint.source}`, 'm'));
  }
  assert.equal(result.stdout, '');
}

async function prepare(
  t: TestContext,
  settings = '',
): Promise<Record<'folder' | 'config' | 'socket', string>> {
  const folder = await makeTempDir(t, 'cvs-');
  const config = join(folder, 'clavigerd.toml');
  const socket = join(folder, 'S');
  const privkey = await writeKeyFile(folder, key);
  const own = settings.includes('privkey') ? '' : `privkey = ${JSON.stringify(privkey)}\n`;
  await writeFile(config, `${own}${settings}\n`, { mode: 0o600 });
  return { folder, config, socket };
}

describe('a configuration that is not UTF-8', () => {
  for (const [name, bytes, line] of [
    ['a path', ['privkey = "file:/k"\nsocket = "/run/', 0xfc, 'ber"\n'], 2],
    ['the key', ['# a comment\n\nprivkey = "file:/k', 0xe9, '"\n'], 3],
    ['a comment', ['privkey = "file:/k" # ', 0xff, 0xfe, '\n'], 1],
    ['the end', ['privkey = "file:/k"\n# ', 0xc3], 2],
  ] as const) {
    it(`is refused, with its line, for ${name}`, async (t) => {
      const config = join(await makeTempDir(t, 'cvs-'), 'c.toml');
      const parts = bytes.map((part) => Buffer.from(typeof part === 'string' ? part : [part]));
      await writeFile(config, Buffer.concat(parts), { mode: 0o600 });
      const error = new RegExp(`c\\.toml:${line}: not UTF-8`);
      await assertFails([`--config=${config}`, '--check'], { code: 2, error, hint: /UTF-8/ });
      const args = [CLAVIGER, 'renew', `--config=${config}`];
      const client = await runCommand(process.execPath, args);
      assert.equal(client.code, 2, client.stderr);
      assert.match(client.stderr, error);
    });
  }
});

describe('the command line of clavigerd', () => {
  it('prints help that shows options, key kinds, examples and specifiers', async () => {
    for (const option of ['--help', '-h']) {
      const { stdout, code } = await runClavigerd([option]);
      assert.equal(code, 0);
      for (const text of [
        '--privkey',
        '--stdio',
        '--check',
        'pkcs11:',
        'file:PATH',
        '%E',
        '%S',
        'key',
        'Exit status',
      ]) {
        assert.ok(stdout.includes(text), text);
      }
    }
  });

  it('prints the version of the package', async () => {
    const { stdout, code } = await runClavigerd(['--version']);
    const manifest: unknown = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.ok(typeof manifest === 'object' && manifest !== null && 'version' in manifest);
    assert.equal(stdout, `${String(manifest.version)}\n`);
    assert.equal(code, 0);
  });

  it('refuses what it does not know with exit code 2', async () => {
    await assertFails(['--nonsense'], { code: 2, error: /unknown option '--nonsense'/ });
    await assertFails(['serve'], { code: 2, error: /too many arguments|unknown command/ });
    await assertFails(['--stdio', '--socket=/x'], { code: 2, error: /cannot be used with/ });
  });
});

describe('the PIN of clavigerd', () => {
  it('is not taken from the command line, and not repeated', async () => {
    const uri = 'pkcs11:token=x;object=y?module-path=/x.so&pin-value=4711471147';
    const { stderr, code } = await runClavigerd([`--privkey=${uri}`]);
    assert.equal(code, 2); // CONFIG_USAGE
    assert.match(stderr, /pin-value puts the PIN on the command line/);
    assert.doesNotMatch(stderr, /4711/);
  });
});

// Files that are missing, unreadable or too large are CONFIG_FILE; what is in them is
// CONFIG_INVALID.
describe('the configuration of clavigerd', () => {
  it('that is named must exist', async () => {
    await assertFails(['--config=/nonexistent/x.toml'], {
      code: 2,
      error: /clavigerd: error: configuration file: there is no \//,
    });
  });

  it('is bounded', async (t) => {
    const { config } = await prepare(t, `# ${'x'.repeat(1024 * 1024)}`);
    await assertFails([`--config=${config}`], { code: 2, error: /larger than 1048576 bytes/ });
  });

  it('may be missing at the default place', async (t) => {
    const folder = await makeTempDir(t);
    const env = { XDG_CONFIG_HOME: folder, HOME: folder };
    const privkey = await writeKeyFile(folder, key);
    const result = await runClavigerd([`--privkey=${privkey}`, '--check', '--stdio'], { env });
    assert.equal(result.code, 0, result.stderr);
  });

  it('is printed as it takes effect by --check, with the command line over the file', async (t) => {
    const { config, folder } = await prepare(t, 'quiet = true\nkeyid = ""\nsocket = "%T/x%%y"');
    const args = [`--config=${config}`, '--check'];
    const { stdout, code } = await runClavigerd(args, { env: { TMPDIR: folder } });
    assert.equal(code, 0);
    const settings = parse(stdout);
    assert.equal(settings['socket'], `${folder}/x%%y`);
    assert.equal(settings['quiet'], true);
    assert.equal(settings['keyid'], undefined);
    assert.equal(settings['gpg'], 'gpg --quiet');
    const other = await runClavigerd([...args, '--socket=/run/other'], {});
    assert.equal(parse(other.stdout)['socket'], '/run/other');
    // What it prints is a configuration again.
    const printed = join(folder, 'printed.toml');
    await writeFile(printed, stdout, { mode: 0o600 });
    const again = await runClavigerd([`--config=${printed}`, '--check']);
    assert.equal(again.stdout, stdout);
  });

  it('reports every problem at once, with file, line and key', async (t) => {
    const settings = 'quiet = "yes"\nnonsense = 1\nsocket = 5\nidle-timeout = 1.5\n[other]\nx = 1';
    const { config } = await prepare(t, settings);
    const { stderr, code } = await runClavigerd([`--config=${config}`]);
    assert.equal(code, 2);
    assert.match(stderr, /clavigerd\.toml:2: quiet: expected boolean, got string/);
    assert.match(stderr, /clavigerd\.toml:3: nonsense: unknown setting/);
    assert.match(stderr, /clavigerd\.toml:4: socket: expected string, got number/);
    assert.match(stderr, /clavigerd\.toml:5: idle-timeout: must be a whole number of seconds/);
    assert.match(stderr, /clavigerd\.toml:6: other: unknown setting/);
  });

  it('reports values that cannot be beside keys that are unknown', async (t) => {
    const { config } = await prepare(t, 'nonsense = 1\nsocket = "%Z/S"\nkeyid = "x"');
    const { stderr, code } = await runClavigerd([`--config=${config}`]);
    assert.equal(code, 2);
    for (const text of [
      ':2: nonsense: unknown',
      ':3: socket: "%Z/S" has the unknown',
      ':4: keyid:',
    ]) {
      assert.ok(stderr.includes(text), stderr);
    }
  });

  for (const [name, settings, error] of [
    ['a syntax error', 'quiet = maybe', /clavigerd\.toml:2: /],
    ['a setting twice', 'quiet = true\nquiet = false', /clavigerd\.toml:3: /],
    [
      'an unknown specifier',
      'socket = "/run/%Z/S"',
      /:2: socket: "\/run\/%Z\/S" has the unknown specifier %Z/,
    ],
    ['a percent sign at the end', 'socket = "/run/%"', /has the unknown specifier %/],
    ['a specifier without a value', 'logfile = "%d/log"', /%d in "%d\/log" has no value here/],
    ['control characters', 'logfile = "/x\\u001b[2J"', /logfile: must not have control characters/],
    [
      'a key ID that no request may have',
      'keyid = "https://ca.example./acct/1"',
      /keyid: no request may have it: url has a host/,
    ],
    ['a key ID that is no URL', 'keyid = "acct/1"', /keyid: is not an account URL/],
    [
      'a key ID that would never be signed for',
      'keyid = "http://ca.example/1"',
      /keyid: is not https/,
    ],
    ['a socket path that is not absolute', 'socket = "S"', /socket: "S" is not an absolute path/],
    ['an unknown PIN source', 'pin-source = "nonsense"', /pin-source: not a source/],
    ['a capital scheme with a bad URI', 'privkey = "PKCS11:token=a%20b;x=y"', /x/],
    ['a time of nothing', 'sign-timeout = 0', /sign-timeout: must be at least 1/],
    ['no key', 'privkey = ""', /privkey: must not be empty/],
    ['an unknown kind of key', 'privkey = "magic:x"', /privkey: magic: is not supported/],
    ['a key without its kind', 'privkey = "/etc/key.pem"', /privkey: no kind is named/],
    ['a bad pkcs11 URI', 'privkey = "pkcs11:nonsense=1?module-path=/x"', /nonsense/],
  ] as const) {
    it(`refuses ${name}`, async (t) => {
      const { config } = await prepare(t, settings);
      const env = { CREDENTIALS_DIRECTORY: undefined };
      for (const check of [[], ['--check']]) {
        await assertFails(
          [`--config=${config}`, ...check],
          {
            code: 2,
            error,
          },
          env,
        );
      }
    });
  }

  it('must name a key', async (t) => {
    const folder = await makeTempDir(t);
    const config = join(folder, 'empty.toml');
    await writeFile(config, '', { mode: 0o600 });
    await assertFails([`--config=${config}`], { code: 2, error: /privkey: is missing/ });
  });

  it('must not be writable by others', async (t) => {
    const { config } = await prepare(t);
    await chmod(config, 0o622);
    await assertFails([`--config=${config}`], {
      code: 2,
      error: /insecure permissions on .*clavigerd\.toml: others can write it/,
      hint: /chmod go-w/,
    });
  });

  it('must be a regular file, in folders that others cannot write', async (t) => {
    const { folder, config } = await prepare(t);
    const fifo = join(folder, 'fifo');
    await mustRun('mkfifo', ['-m', '600', fifo]);
    await assertFails([`--config=${fifo}`], { code: 2, error: /fifo is not a regular file/ });
    const open = join(folder, 'open');
    await mkdir(open);
    await chmod(open, 0o777);
    await rename(config, join(open, 'c.toml'));
    await assertFails([`--config=${open}/c.toml`], { code: 2, error: /open: others can write it/ });
  });

  it('may not send its log where nobody reads', async (t) => {
    const folder = await makeTempDir(t);
    const fifo = join(folder, 'fifo');
    await mustRun('mkfifo', ['-m', '600', fifo]);
    const { config } = await prepare(t, `logfile = "${fifo}"`);
    await assertFails([`--config=${config}`, '--stdio'], { code: 2, error: /log file: / });
  });

  it('must not belong to somebody else', async (t) => {
    const { config } = await prepare(t);
    await chown(config, 12345, 0);
    await assertFails([`--config=${config}`], { code: 2, error: /belongs to user ID 12345/ });
  });
});

describe('the socket of clavigerd', () => {
  it('has mode 0600', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const stats = await stat(daemon.socket);
    assert.ok(stats.isSocket());
    assert.equal(stats.mode & 0o777, 0o600);
  });

  it('is never put where something is', async (t) => {
    const { folder, config } = await prepare(t);
    const file = join(folder, 'file');
    await writeFile(file, 'precious');
    await symlink('/nonexistent', join(folder, 'link'));
    await mkdir(join(folder, 'folder'));
    for (const name of ['file', 'link', 'folder']) {
      await assertFails([`--config=${config}`, `--socket=${join(folder, name)}`], {
        code: 1,
        error: /exists, and is not a socket/,
        hint: /--socket/,
      });
    }
    assert.equal(await readFile(file, 'utf8'), 'precious');
  });

  it('of a living daemon is told apart from a stale one, and neither is removed', async (t) => {
    const daemon = await startClavigerd(t, { key });
    const { config } = await prepare(t);
    const args = [`--config=${config}`, `--socket=${daemon.socket}`];
    await assertFails(args, { code: 1, error: /another process is listening there/ });
    daemon.process.signal('SIGKILL');
    await daemon.process.waitForExit();
    await assertFails(args, { code: 1, error: /a stale socket/, hint: /rm \/.*\/S/ });
    assert.ok((await stat(daemon.socket)).isSocket());
  });

  for (const [name, mode, error] of [
    ['writable by the group', 0o770, /others can write it/],
    ['writable by all, though sticky', 0o1777, /others can write it/],
  ] as const) {
    it(`is refused in a directory ${name}`, async (t) => {
      const { folder, config } = await prepare(t);
      const parent = join(folder, 'd');
      await mkdir(parent);
      await chmod(parent, mode);
      await assertFails([`--config=${config}`, `--socket=${parent}/S`], { code: 2, error });
    });
  }

  it('is refused in the directory of another user, or below one that others can write', async (t) => {
    const { folder, config } = await prepare(t);
    const foreign = join(folder, 'foreign');
    await mkdir(foreign, { mode: 0o700 });
    await chown(foreign, 12345, 0);
    await assertFails([`--config=${config}`, `--socket=${foreign}/S`], {
      code: 2,
      error: /foreign: it belongs to user ID 12345/,
    });
    const open = join(folder, 'open');
    await mkdir(join(open, 'inner'), { recursive: true, mode: 0o700 });
    await chmod(open, 0o777);
    await assertFails([`--config=${config}`, `--socket=${open}/inner/S`], {
      code: 2,
      error: /open: others can write it, and so replace/,
    });
  });

  it('is refused behind a link that another user could turn elsewhere', async (t) => {
    const { folder, config } = await prepare(t);
    const safe = join(folder, 'safe');
    await mkdir(safe, { mode: 0o700 });
    const foreign = join(folder, 'link');
    await symlink(safe, foreign);
    await lchown(foreign, 12345, 0);
    await assertFails([`--config=${config}`, `--socket=${foreign}/S`], {
      code: 2,
      error: /link: it belongs to user ID 12345/,
    });
    const own = join(folder, 'own');
    await symlink(safe, own);
    const daemon = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--config=${config}`, `--socket=${own}/S`],
      waitFor: { socket: `${own}/S` },
    });
    assert.ok(daemon.isRunning);
    const circle = join(folder, 'circle');
    await symlink(circle, circle);
    await assertFails([`--config=${config}`, `--socket=${circle}/S`], {
      code: 2,
      error: /symbolic links/,
    });
  });

  it('needs a directory, an absolute path, and at most 107 bytes', async (t) => {
    const { folder, config } = await prepare(t);
    await assertFails([`--config=${config}`, `--socket=${folder}/none/S`], {
      code: 2,
      error: /there is no \/.*none$/m,
      hint: /install -d -m 0700/,
    });
    await assertFails([`--config=${config}`, '--socket=S'], { code: 2, error: /not an absolute/ });
    const room = 107 - Buffer.byteLength(`${folder}/`);
    await assertFails([`--config=${config}`, `--socket=${folder}/${'x'.repeat(room + 1)}`], {
      code: 1,
      error: /has 108 bytes, and 107 are possible/,
    });
    const longest = `${folder}/${'x'.repeat(room)}`;
    const daemon = await startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--config=${config}`, `--socket=${longest}`],
      waitFor: { socket: longest },
    });
    assert.ok(daemon.isRunning);
  });

  it('that another program bound meanwhile is that program’s', async (t) => {
    const { folder, config } = await prepare(t);
    const path = join(folder, 'S');
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(path, resolve);
    });
    t.after(() => {
      server.close();
    });
    await assertFails([`--config=${config}`, `--socket=${path}`], {
      code: 1,
      error: /another process is listening there/,
    });
  });
});

describe('clavigerd --stdio', () => {
  function startStdio(t: TestContext, config: string): Promise<RunningProcess> {
    return startProcess(t, {
      command: process.execPath,
      args: [CLAVIGERD, `--config=${config}`, '--stdio'],
      stdin: true,
      waitFor: /1 OK/,
    });
  }

  it('serves one client and ends with it', async (t) => {
    const { config } = await prepare(t);
    const daemon = await startStdio(t, config);
    const input = formatSigningInput({
      alg: 'ES256',
      kid: 'https://ca.example/a/1',
      url: 'https://ca.example/o',
    });
    daemon.stdin.write(`${input}\r\n`);
    daemon.stdin.end();
    assert.deepEqual(await daemon.waitForExit(), { code: 0, signal: null });
    const [, , signature] = daemon.stdout.split('\r\n');
    const jwk = { ...jwkOfKey(key.publicKey) };
    assert.ok(isSignatureOf('ES256', jwk, input, signature ?? ''));
    assert.match(daemon.stderr, /signed conn=1 op=read/);
  });

  it('ends after a refusal, though its client keeps standard input open', async (t) => {
    const { config } = await prepare(t);
    const daemon = await startStdio(t, config);
    daemon.stdin.write('nonsense\r\n');
    assert.deepEqual(await daemon.waitForExit(10_000), { code: 0, signal: null });
  });

  it('ends by SIGTERM', async (t) => {
    const { config } = await prepare(t);
    const daemon = await startStdio(t, config);
    daemon.signal('SIGTERM');
    assert.deepEqual(await daemon.waitForExit(10_000), { code: 0, signal: null });
  });
});
