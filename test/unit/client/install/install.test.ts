import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  assertInstallable,
  installFiles,
  type Installation,
} from '../../../../src/client/install/install.js';
import { AppError } from '../../../../src/lib/errors.js';
import { runCommand } from '../../../support/process.js';
import { makeTempDir } from '../../../support/temp-dir.js';
import { newKey, pemOf } from '../../../support/client/test-ca.js';

describe('installFiles', () => {
  it('writes new files and replaces old ones, with their modes whatever the umask', async (t) => {
    const folder = await makeTempDir(t);
    const [a, b] = [join(folder, 'a.pem'), join(folder, 'b.pem')];
    await writeFile(a, 'old and longer than the new one');
    const umask = process.umask(0o077);
    try {
      await installFiles([
        { path: a, content: 'new a', mode: 0o644 },
        { path: b, content: 'new b', mode: 0o640 },
      ]);
    } finally {
      process.umask(umask);
    }
    assert.equal(await readFile(a, 'utf8'), 'new a');
    assert.equal((await stat(a)).mode & 0o777, 0o644);
    assert.equal((await stat(b)).mode & 0o777, 0o640);
    assert.deepEqual((await readdir(folder)).sort(), ['a.pem', 'b.pem']);
  });

  it('changes nothing when one file cannot be written', async (t) => {
    const folder = await makeTempDir(t);
    const a = join(folder, 'a.pem');
    await writeFile(a, 'old');
    const files = [
      { path: a, content: 'new', mode: 0o644 },
      { path: join(folder, 'missing', 'b.pem'), content: 'new', mode: 0o644 },
    ];
    await assert.rejects(installFiles(files), { code: 'CLIENT_INSTALL' });
    assert.equal(await readFile(a, 'utf8'), 'old');
    assert.deepEqual(await readdir(folder), ['a.pem']);
  });

  it('leaves no temporary file when the last step fails', async (t) => {
    const folder = await makeTempDir(t);
    await mkdir(join(folder, 'a.pem'));
    const files = [{ path: join(folder, 'a.pem'), content: 'new', mode: 0o644 }];
    await assert.rejects(installFiles(files), { code: 'CLIENT_INSTALL' });
    assert.deepEqual(await readdir(folder), ['a.pem']);
  });
});

describe('installFiles in place of another file', () => {
  it('keeps its owner, group and mode', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'cert.pem');
    await writeFile(path, 'old');
    await chmod(path, 0o640);
    await chown(path, 12345, 23456);
    await installFiles([{ path, content: 'new', mode: 0o644 }]);
    const { uid, gid, mode } = await stat(path);
    assert.deepEqual([uid, gid, mode & 0o7777], [12345, 23456, 0o640]);
    assert.equal(await readFile(path, 'utf8'), 'new');
  });

  it('replaces a symbolic link, whatever it leads to', async (t) => {
    const folder = await makeTempDir(t);
    const [path, target] = [join(folder, 'cert.pem'), join(folder, 'target')];
    await writeFile(target, 'old');
    await chown(target, 12345, 23456);
    await symlink(target, path);
    await installFiles([{ path, content: 'new', mode: 0o644 }]);
    assert.equal((await lstat(path)).isFile(), true);
    assert.equal((await stat(path)).uid, process.geteuid?.());
    assert.equal(await readFile(target, 'utf8'), 'old');
  });
});

describe('installFiles with a new key', () => {
  it('never replaces a file, nor follows a link', async (t) => {
    const folder = await makeTempDir(t);
    const [file, dangling] = [join(folder, 'key'), join(folder, 'link')];
    await writeFile(file, 'mine');
    await symlink(join(folder, 'elsewhere'), dangling);
    for (const path of [file, dangling]) {
      const key = { path, content: 'other', mode: 0o600, isCreated: true };
      await assert.rejects(installFiles([key]), { code: 'CLIENT_INSTALL' });
    }
    assert.equal(await readFile(file, 'utf8'), 'mine');
    assert.deepEqual((await readdir(folder)).sort(), ['key', 'link']);
  });

  it('puts the key in place before its certificate, or neither', async (t) => {
    const folder = await makeTempDir(t);
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
    const files = [
      { path: key, content: 'key', mode: 0o600, isCreated: true },
      { path: cert, content: 'cert', mode: 0o644 },
    ];
    await installFiles(files);
    assert.deepEqual((await readdir(folder)).sort(), ['cert', 'key']);
    await writeFile(cert, 'old');
    await assert.rejects(installFiles(files), { code: 'CLIENT_INSTALL' });
    assert.equal(await readFile(cert, 'utf8'), 'old');
  });
});

describe('assertInstallable', () => {
  async function refuse(
    plan: Installation,
    pattern: RegExp,
    code = 'CLIENT_INSTALL',
  ): Promise<void> {
    await assert.rejects(assertInstallable(plan), (error: unknown) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, code);
      assert.match(`${error.message}\n${error.hint ?? ''}`, pattern);
      return true;
    });
  }

  it('finds a missing folder and a folder in place of a file beforehand', async (t) => {
    const folder = await makeTempDir(t);
    await mkdir(join(folder, 'sub'));
    const key = join(folder, 'key.pem');
    const plan = (...outputs: string[]): Installation => ({ outputs, key, isNewKey: true });
    await assertInstallable(plan(join(folder, 'a.pem')));
    await refuse(plan(join(folder, 'no', 'a.pem')), /mkdir/, 'SYS_PATH');
    await refuse(plan(join(folder, 'sub')), /not a regular file/);
    await refuse(
      { outputs: [], key: join(folder, 'no', 'key.pem'), isNewKey: true },
      /mkdir/,
      'SYS_PATH',
    );
    await symlink(join(folder, 'elsewhere'), key);
    await refuse(plan(), /exists, and is no key/);
  });

  it('replaces no file that holds a private key, however it is named', async (t) => {
    const folder = await makeTempDir(t);
    const key = join(folder, 'key.pem');
    const combined = join(folder, 'haproxy.pem');
    const link = join(folder, 'link.pem');
    await writeFile(key, pemOf(newKey()), { mode: 0o600 });
    await writeFile(combined, `-----BEGIN CERTIFICATE-----\n${pemOf(newKey())}`, { mode: 0o600 });
    await symlink(combined, link);
    for (const output of [combined, link]) {
      await refuse({ outputs: [output], key, isNewKey: false }, /holds a private key/);
    }
    await writeFile(join(folder, 'big'), Buffer.alloc(2_000_000));
    await refuse({ outputs: [join(folder, 'big')], key, isNewKey: false }, /larger than/);
  });

  it('sees through links that two paths are one file', async (t) => {
    const folder = await makeTempDir(t);
    await mkdir(join(folder, 'a'));
    await symlink(join(folder, 'a'), join(folder, 'b'));
    const [direct, linked] = [join(folder, 'a', 'x.pem'), join(folder, 'b', 'x.pem')];
    await refuse({ outputs: [linked], key: direct, isNewKey: true }, /same file/);
    const key = join(folder, 'key.pem');
    await refuse({ outputs: [direct, linked], key, isNewKey: true }, /same file/);
  });

  it('wants a folder that can be read, for it is synchronised', async (t) => {
    const folder = await makeTempDir(t);
    await chmod(folder, 0o300);
    const url = new URL('../../../../src/client/install/install.js', import.meta.url).href;
    const plan = { outputs: [join(folder, 'a.pem')], key: '/nonexistent', isNewKey: false };
    const script = `import { assertInstallable } from ${JSON.stringify(url)};
      await assertInstallable(${JSON.stringify(plan)});`;
    // Root may read any folder, unless it has given up that right.
    const isRoot = process.geteuid?.() === 0;
    const rights = '-dac_override,-dac_read_search';
    const withoutRights: readonly [string, ...string[]] = isRoot
      ? ['setpriv', `--bounding-set=${rights}`, `--inh-caps=${rights}`, process.execPath]
      : [process.execPath];
    const [command, ...args] = [...withoutRights, '--input-type=module', '-e', script];
    const { code, stderr } = await runCommand(command, args);
    assert.equal(code, 1);
    assert.match(stderr, /cannot be written: EACCES/);
  });
});
