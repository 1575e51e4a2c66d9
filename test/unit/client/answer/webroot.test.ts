import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  lchown,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openWebroot } from '../../../../src/client/answer/webroot.js';
import { atEnd } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';
const FOLDER = '.well-known/acme-challenge';
const STRANGER = 12345;

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
    await answers.close();
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
    await (await openWebroot(root)).close();
    assert.equal((await stat(join(root, FOLDER))).mode & 0o777, 0o750);
  });

  it('refuses a name that is no token, whoever asks', async (t) => {
    const answers = await openWebroot(await makeTempDir(t));
    atEnd(t, () => answers.close());
    for (const token of ['../../../../../../tmp/evil-evil-evil', '', '.', 'x/y']) {
      await assert.rejects(answers.publish(token, 'x'), { code: 'CLIENT_CHALLENGE' });
    }
  });

  it('wants a folder that is there', async (t) => {
    const root = await makeTempDir(t);
    await assert.rejects(openWebroot(join(root, 'missing')), { code: 'SYS_PATH' });
    await writeFile(join(root, 'file'), '');
    await assert.rejects(openWebroot(join(root, 'file')), { code: 'SYS_PATH' });
  });

  it('takes back what a run that was killed has left, whole or cut short', async (t) => {
    const root = await makeTempDir(t);
    const path = join(root, FOLDER, TOKEN);
    const content = `${TOKEN}.thumb`;
    for (const left of [content, content.slice(0, 10), '']) {
      await mkdir(join(root, FOLDER), { recursive: true });
      await writeFile(path, left, { mode: 0o600 });
      const answers = await openWebroot(root);
      await answers.publish(TOKEN, content);
      assert.equal(await readFile(path, 'utf8'), content);
      assert.equal((await stat(path)).mode & 0o777, 0o644);
      await answers.close();
      assert.deepEqual(await readdir(join(root, FOLDER)), []);
    }
  });

  it('leaves another answer, another user’s and what is no file, and names it', async (t) => {
    const root = await makeTempDir(t);
    const path = join(root, FOLDER, TOKEN);
    const content = `${TOKEN}.thumb`;
    await (await openWebroot(root)).close();
    for (const [what, put] of [
      ['another answer', () => writeFile(path, `${TOKEN}.other`)],
      ['a longer one', () => writeFile(path, `${content}\n`)],
      [
        'another user’s',
        async () => {
          await writeFile(path, content);
          await chown(path, STRANGER, STRANGER);
        },
      ],
      ['a folder', () => mkdir(path)],
      ['a link to our content', () => symlink(join(root, 'ours'), path)],
    ] as const) {
      await writeFile(join(root, 'ours'), content);
      await put();
      const before = await stat(path);
      const answers = await openWebroot(root);
      await assert.rejects(answers.publish(TOKEN, content), {
        code: 'CLIENT_CHALLENGE',
        message: `webroot: ${path}: exists already`,
        hint: /is not ours, and stays/,
      });
      await answers.close();
      assert.equal((await stat(path)).ino, before.ino, what);
      await rm(path, { recursive: true });
    }
  });

  it('stays in the folders it has checked, wherever their owner moves them', async (t) => {
    const root = await makeTempDir(t);
    const outside = await makeTempDir(t);
    await mkdir(join(outside, 'acme-challenge'));
    await writeFile(join(outside, 'acme-challenge', TOKEN), 'of root');
    const answers = await openWebroot(root);
    await rename(join(root, '.well-known'), join(root, 'moved'));
    await symlink(outside, join(root, '.well-known'));
    const other = TOKEN.replace('e', 'f');
    await answers.publish(TOKEN, 'x');
    await answers.publish(other, 'x');
    assert.deepEqual(await readdir(join(outside, 'acme-challenge')), [TOKEN]);
    assert.deepEqual(
      (await readdir(join(root, 'moved/acme-challenge'))).sort(),
      [TOKEN, other].sort(),
    );
    await answers.close();
    assert.equal(await readFile(join(outside, 'acme-challenge', TOKEN), 'utf8'), 'of root');
    assert.deepEqual(await readdir(join(root, 'moved/acme-challenge')), []);
  });

  it('removes no file that was put in the place of its own', async (t) => {
    const root = await makeTempDir(t);
    const answers = await openWebroot(root);
    await answers.publish(TOKEN, 'x');
    const path = join(root, FOLDER, TOKEN);
    await link(path, `${path}-kept`);
    await rm(path);
    await writeFile(path, 'other');
    await answers.close();
    assert.equal(await readFile(path, 'utf8'), 'other');
  });

  describe('of another user', () => {
    it('is used, and its owner’s links may lead to his own folders alone', async (t) => {
      const top = await makeTempDir(t);
      const home = join(top, 'home');
      await mkdir(join(home, 'release-1'), { recursive: true });
      await symlink('release-1', join(home, 'current'));
      await symlink('current', join(home, 'again'));
      await mkdir(join(top, 'of-root'));
      await symlink(join(top, 'of-root'), join(home, 'away'));
      await chown(home, STRANGER, STRANGER);
      await chown(join(home, 'release-1'), STRANGER, STRANGER);
      for (const name of ['release-1', 'current', 'again']) {
        const answers = await openWebroot(join(home, name));
        await answers.publish(TOKEN, 'x');
        assert.deepEqual(await readdir(join(home, 'release-1', FOLDER)), [TOKEN], name);
        await answers.close();
      }
      await assert.rejects(openWebroot(join(home, 'away')), {
        code: 'CLIENT_CHALLENGE',
        message: /^webroot: .*away: a symbolic link of another user leads away/,
      });
      assert.deepEqual(await readdir(join(top, 'of-root')), []);
    });

    it('is not sought behind a link that a group, or anybody, could have put there', async (t) => {
      const top = await makeTempDir(t);
      const target = await makeTempDir(t);
      await symlink(target, join(top, 'link'));
      await (await openWebroot(join(top, 'link'))).close();
      await rm(join(target, '.well-known'), { recursive: true });
      for (const mode of [0o770, 0o707]) {
        await chmod(top, mode);
        await assert.rejects(openWebroot(join(top, 'link')), { code: 'CLIENT_CHALLENGE' });
      }
      await chmod(top, 0o1777);
      await (await openWebroot(join(top, 'link'))).close();
      await rm(join(target, '.well-known'), { recursive: true });
      await lchown(join(top, 'link'), STRANGER, STRANGER);
      await assert.rejects(openWebroot(join(top, 'link')), { code: 'CLIENT_CHALLENGE' });
      assert.deepEqual(await readdir(target), []);
    });
  });
});
