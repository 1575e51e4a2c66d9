import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openWebroot } from '../../../src/client/webroot.js';
import { makeTempDir } from '../../support/temp-dir.js';

const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';
const FOLDER = '.well-known/acme-challenge';

describe('openWebroot', () => {
  it('writes what the web server may read, and removes it', async (t) => {
    const root = await makeTempDir(t);
    const umask = process.umask(0o077);
    const answers = await openWebroot(root).finally(() => process.umask(umask));
    await answers.publish(TOKEN, `${TOKEN}.thumb`);
    const path = join(root, FOLDER, TOKEN);
    assert.equal(await readFile(path, 'utf8'), `${TOKEN}.thumb`);
    assert.equal((await stat(path)).mode & 0o777, 0o644);
    for (const folder of [FOLDER, '.well-known']) {
      assert.equal((await stat(join(root, folder))).mode & 0o777, 0o755, folder);
    }
    await answers.close();
    await answers.close();
    assert.deepEqual(await readdir(join(root, FOLDER)), []);
  });

  it('leaves what is not its own', async (t) => {
    const root = await makeTempDir(t);
    await mkdir(join(root, FOLDER), { recursive: true });
    await writeFile(join(root, FOLDER, TOKEN), 'of somebody else');
    const answers = await openWebroot(root);
    await assert.rejects(answers.publish(TOKEN, 'x'), { code: 'CLIENT_CHALLENGE' });
    await answers.close();
    assert.equal(await readFile(join(root, FOLDER, TOKEN), 'utf8'), 'of somebody else');
  });

  it('writes through no symbolic link', async (t) => {
    const root = await makeTempDir(t);
    const elsewhere = await makeTempDir(t);
    await symlink(elsewhere, join(root, '.well-known'));
    await assert.rejects(openWebroot(root), { code: 'CLIENT_CHALLENGE' });
    assert.deepEqual(await readdir(elsewhere), []);
    const other = await makeTempDir(t);
    const answers = await openWebroot(other);
    await symlink(join(elsewhere, 'target'), join(other, FOLDER, TOKEN));
    await assert.rejects(answers.publish(TOKEN, 'x'), { code: 'CLIENT_CHALLENGE' });
    assert.deepEqual(await readdir(elsewhere), []);
  });

  it('takes a root that is a symbolic link: the user named it', async (t) => {
    const folder = await makeTempDir(t);
    await mkdir(join(folder, 'release-1'));
    await symlink(join(folder, 'release-1'), join(folder, 'current'));
    const answers = await openWebroot(join(folder, 'current'));
    await answers.publish(TOKEN, 'x');
    assert.equal(await readFile(join(folder, 'release-1', FOLDER, TOKEN), 'utf8'), 'x');
    await answers.close();
  });

  it('changes no folder that was there', async (t) => {
    const root = await makeTempDir(t);
    await mkdir(join(root, FOLDER), { recursive: true, mode: 0o750 });
    await openWebroot(root);
    assert.equal((await stat(join(root, FOLDER))).mode & 0o777, 0o750);
  });

  it('refuses a name that is no token, whoever asks', async (t) => {
    const answers = await openWebroot(await makeTempDir(t));
    for (const token of ['../../../../../../tmp/evil-evil-evil', '', '.', 'x/y']) {
      await assert.rejects(answers.publish(token, 'x'), { code: 'CLIENT_CHALLENGE' });
    }
  });

  it('wants a folder that is there', async (t) => {
    const root = await makeTempDir(t);
    await assert.rejects(openWebroot(join(root, 'missing')), { code: 'CLIENT_CHALLENGE' });
    await writeFile(join(root, 'file'), '');
    await assert.rejects(openWebroot(join(root, 'file')), { code: 'CLIENT_CHALLENGE' });
  });
});
