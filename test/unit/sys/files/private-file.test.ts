// Files with secrets: read when only their owner can, refused otherwise. Files are given away here,
// as root.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readPrivateFile, readUnwritableFile } from '../../../../src/sys/files/private-file.js';
import { appErrorOf } from '../../../support/app-error.js';
import { makeTempDir } from '../../../support/temp-dir.js';

describe('private file', () => {
  it('is read whole, through a symbolic link too', async (t) => {
    const folder = await makeTempDir(t);
    const path = join(folder, 'key');
    const content = Buffer.alloc(64 * 1024, 'k');
    writeFileSync(path, content, { mode: 0o400 });
    assert.ok(readPrivateFile(path, 'key').equals(content));
    symlinkSync(path, join(folder, 'link'));
    assert.ok(readPrivateFile(join(folder, 'link'), 'key').equals(content));
  });

  for (const mode of [0o604, 0o640, 0o620, 0o660, 0o602, 0o644, 0o610, 0o777]) {
    it(`of mode ${mode.toString(8)} is refused with the command that helps`, async (t) => {
      const path = join(await makeTempDir(t), 'key');
      writeFileSync(path, 'x');
      chownSync(path, 0, 12345);
      chmodSync(path, mode);
      const error = await appErrorOf(() => readPrivateFile(path, 'account key'), 'SYS_UNSAFE_PATH');
      assert.match(error.message, new RegExp(`has mode 0${mode.toString(8)}`));
      assert.match(error.hint ?? '', new RegExp(`chmod 0600 ${path}`));
    });
  }

  it('of systemd, readable by an access control list that looks like a group, is read', async (t) => {
    const path = join(await makeTempDir(t), 'credential');
    writeFileSync(path, 'x');
    chmodSync(path, 0o440);
    assert.equal(readPrivateFile(path, 'PIN file').toString(), 'x');
    for (const mode of [0o460, 0o444, 0o450]) {
      chmodSync(path, mode);
      await appErrorOf(() => readPrivateFile(path, 'PIN file'), 'SYS_UNSAFE_PATH');
    }
  });

  it('must be there, be regular, and be small', async (t) => {
    const folder = await makeTempDir(t);
    const missing = await appErrorOf(
      () => readPrivateFile(join(folder, 'x'), 'PIN file'),
      'SYS_PATH',
    );
    assert.match(missing.message, /^PIN file: there is no \//);
    await appErrorOf(() => readPrivateFile(folder, 'key'), 'SYS_PATH');
    writeFileSync(join(folder, 'big'), Buffer.alloc(64 * 1024 + 1), { mode: 0o600 });
    await appErrorOf(() => readPrivateFile(join(folder, 'big'), 'key'), 'SYS_PATH');
    execFileSync('mkfifo', ['-m', '600', join(folder, 'fifo')]);
    const fifo = await appErrorOf(() => readPrivateFile(join(folder, 'fifo'), 'key'), 'SYS_PATH');
    assert.match(fifo.message, /not a regular file/);
  });

  it("must be root's or ours", async (t) => {
    assert.equal(process.geteuid?.(), 0, 'this test gives a file away');
    const path = join(await makeTempDir(t), 'key');
    writeFileSync(path, 'x', { mode: 0o600 });
    chownSync(path, 12345, 0);
    const error = await appErrorOf(() => readPrivateFile(path, 'key'), 'SYS_UNSAFE_PATH');
    assert.match(error.message, /user ID 12345/);
  });
});

describe('unwritable file', () => {
  it('is read whoever may read it', async (t) => {
    const path = join(await makeTempDir(t), 'key.gpg');
    writeFileSync(path, 'x');
    for (const mode of [0o400, 0o600, 0o644, 0o444, 0o755]) {
      chmodSync(path, mode);
      assert.equal(readUnwritableFile(path, 'key').toString(), 'x');
    }
  });

  it('is refused when others can write it, or when it is another user’s', async (t) => {
    const path = join(await makeTempDir(t), 'key.gpg');
    writeFileSync(path, 'x');
    for (const mode of [0o620, 0o602, 0o666]) {
      chmodSync(path, mode);
      const error = await appErrorOf(() => readUnwritableFile(path, 'key'), 'SYS_UNSAFE_PATH');
      assert.match(error.hint ?? '', /chmod go-w/);
    }
    chmodSync(path, 0o600);
    chownSync(path, 12345, 0);
    await appErrorOf(() => readUnwritableFile(path, 'key'), 'SYS_UNSAFE_PATH');
  });
});
