// A folder that is held by its descriptor: which ways lead there, and for whom it is made.

import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openStateFolder } from '../../../../src/sys/files/state-folder.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const USER = 65_501;
const OTHER = 65_502;
const asRoot = { make: true, userId: 0 };

describe('a state folder', () => {
  it('is made with mode 0700, and is not there unless it is to be made', async (t) => {
    const path = join(await makeTempDir(t), 'a', 'b');
    assert.equal(openStateFolder(path, { make: false, userId: 0 }), undefined);
    const folder = openStateFolder(path, asRoot);
    assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.deepEqual(folder?.owner, { uid: 0, gid: 0 });
    folder.close();
  });

  it('stays the same when another is put in its place', async (t) => {
    const path = join(await makeTempDir(t), 'a');
    const folder = openStateFolder(path, asRoot);
    renameSync(path, `${path}-moved`);
    mkdirSync(path);
    writeFileSync(folder?.pathOf('file') ?? '', 'x');
    assert.deepEqual([readdirSync(path), readdirSync(`${path}-moved`)], [[], ['file']]);
    folder?.close();
  });

  it('of another user is that user’s: so is what root makes there', async (t) => {
    const state = join(await makeTempDir(t), 'state');
    mkdirSync(state, { mode: 0o700 });
    chownSync(state, USER, USER);
    const folder = openStateFolder(join(state, 'a', 'b'), asRoot);
    assert.deepEqual(folder?.owner, { uid: USER, gid: USER });
    assert.equal(statSync(join(state, 'a')).uid, USER);
    folder.close();
  });

  it('is reached by links of root’s, and by none of another user or in a folder of theirs', async (t) => {
    const top = await makeTempDir(t);
    mkdirSync(join(top, 'real', 'a'), { recursive: true });
    symlinkSync('real', join(top, 'link'));
    openStateFolder(join(top, 'link', 'a'), asRoot)?.close();
    symlinkSync(join(top, 'real', 'a'), join(top, 'real', 'last'));
    await appErrorOf(() => openStateFolder(join(top, 'link', 'last'), asRoot), 'SYS_UNSAFE_PATH');
    chownSync(join(top, 'real'), USER, USER);
    symlinkSync('a', join(top, 'real', 'b'));
    mkdirSync(join(top, 'real', 'a', 'c'));
    const error = await appErrorOf(
      () => openStateFolder(join(top, 'link', 'b', 'c'), asRoot),
      'SYS_UNSAFE_PATH',
    );
    assert.match(error.message, /real\/b|link\/b/);
    assert.match(error.message, /a symbolic link, which is not followed there/);
  });

  it('is refused where a third user, or anybody, could change what is there', async (t) => {
    const top = await makeTempDir(t);
    mkdirSync(join(top, 'u', 'o', 'x'), { recursive: true });
    chownSync(join(top, 'u'), USER, USER);
    chownSync(join(top, 'u', 'o'), OTHER, OTHER);
    const third = await appErrorOf(
      () => openStateFolder(join(top, 'u', 'o', 'x'), asRoot),
      'SYS_UNSAFE_PATH',
    );
    assert.match(third.message, new RegExp(`user ID ${OTHER}, neither root nor user ID ${USER}`));
    const foreign = await appErrorOf(
      () => openStateFolder(join(top, 'u'), { make: true, userId: OTHER }),
      'SYS_UNSAFE_PATH',
    );
    assert.match(foreign.message, /neither root nor this process's user/);
    mkdirSync(join(top, 'open', 'x'), { recursive: true });
    for (const [mode, path] of [
      [0o777, 'open/x'],
      [0o1777, 'open'],
      [0o770, 'open'],
    ] as const) {
      chmodSync(join(top, 'open'), mode);
      await appErrorOf(() => openStateFolder(join(top, path), asRoot), 'SYS_UNSAFE_PATH');
    }
    chmodSync(join(top, 'open'), 0o1777);
    openStateFolder(join(top, 'open', 'x'), asRoot)?.close();
  });

  it('names the step that cannot be made or entered, as people know it', async (t) => {
    const top = await makeTempDir(t);
    writeFileSync(join(top, 'file'), '');
    const error = await appErrorOf(
      () => openStateFolder(join(top, 'file', 'x'), asRoot),
      'SYS_FILE',
    );
    assert.equal(error.message, `${top}/file: not a directory`);
  });
});
