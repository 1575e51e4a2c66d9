import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { assertInstallable, createFile, installFiles } from '../../../src/client/install.js';
import { makeTempDir } from '../../support/temp-dir.js';

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

describe('createFile', () => {
  it('never replaces a file, nor follows a link', async (t) => {
    const folder = await makeTempDir(t);
    const [file, dangling] = [join(folder, 'key'), join(folder, 'link')];
    await writeFile(file, 'mine');
    await symlink(join(folder, 'elsewhere'), dangling);
    for (const path of [file, dangling]) {
      await assert.rejects(createFile({ path, content: 'other', mode: 0o600 }), {
        code: 'CLIENT_INSTALL',
      });
    }
    assert.equal(await readFile(file, 'utf8'), 'mine');
    assert.deepEqual((await readdir(folder)).sort(), ['key', 'link']);
  });
});

describe('assertInstallable', () => {
  it('finds a missing folder and a folder in place of a file beforehand', async (t) => {
    const folder = await makeTempDir(t);
    await mkdir(join(folder, 'sub'));
    await assertInstallable([join(folder, 'a.pem')]);
    await assert.rejects(assertInstallable([join(folder, 'no', 'a.pem')]), {
      code: 'CLIENT_INSTALL',
      hint: /mkdir/,
    });
    await assert.rejects(assertInstallable([join(folder, 'sub')]), { code: 'CLIENT_INSTALL' });
  });
});
