// The way to what is trusted: each directory and symbolic link, its owner and mode. Files are given
// away here, as root.

import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readPrivateFile, readUnwritableFile } from '../../../../src/sys/files/private-file.js';
import {
  assertSignerSocket,
  assertUnreplaceable,
  openUnwritableByOthers,
} from '../../../../src/sys/files/safe-path.js';
import type { AppError } from '../../../../src/lib/errors.js';
import { appErrorOf } from '../../../support/app-error.js';
import { atEnd, type Scope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const STRANGER = 12345;

/** A folder within a folder, with a file in it that is in order. */
async function makeFile(scope: Scope): Promise<{ top: string; folder: string; file: string }> {
  assert.equal(process.geteuid?.(), 0, 'these tests give files away');
  const top = join(await makeTempDir(scope), 'top');
  const folder = join(top, 'folder');
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const file = join(folder, 'secret');
  writeFileSync(file, 'x', { mode: 0o600 });
  return { top, folder, file };
}

const READERS = [
  ['private file', (path: string) => readPrivateFile(path, 'PIN file')],
  ['encrypted file', (path: string) => readUnwritableFile(path, 'account key')],
  ['configuration', (path: string) => openUnwritableByOthers(path, 0)],
] as const;

for (const [name, read] of READERS) {
  describe(`the path of a ${name}`, () => {
    it('is refused when another user owns or writes a folder on the way', async (t) => {
      for (const spoil of [
        (path: string) => {
          chownSync(path, STRANGER, STRANGER);
        },
        (path: string) => {
          chmodSync(path, 0o775);
        },
        (path: string) => {
          chmodSync(path, 0o757);
        },
      ]) {
        for (const which of ['top', 'folder'] as const) {
          const made = await makeFile(t);
          spoil(made[which]);
          const error = await appErrorOf(() => void read(made.file), 'SYS_UNSAFE_PATH');
          assert.ok(error.message.includes(made[which]), error.message);
        }
      }
    });

    it('is refused when a symbolic link on the way is another user’s, or leads to such a folder', async (t) => {
      const { top, folder, file } = await makeFile(t);
      const link = join(top, 'link');
      symlinkSync('folder', link);
      read(join(link, 'secret'));
      lchownSync(link, STRANGER, STRANGER);
      await appErrorOf(() => void read(join(link, 'secret')), 'SYS_UNSAFE_PATH');
      const other = join(await makeTempDir(t), 'to-file');
      symlinkSync(file, other);
      read(other);
      chmodSync(folder, 0o777);
      await appErrorOf(() => void read(other), 'SYS_UNSAFE_PATH');
    });

    it('may have a folder with the sticky bit, as /tmp, above it', async (t) => {
      const { folder, file } = await makeFile(t);
      chmodSync(folder, 0o1777);
      read(file);
    });

    it('is followed as the kernel does, not as text', async (t) => {
      const { top, folder } = await makeFile(t);
      const outside = await makeTempDir(t);
      mkdirSync(join(outside, 'deep'));
      writeFileSync(join(outside, 'secret'), 'x', { mode: 0o600 });
      chmodSync(outside, 0o777);
      symlinkSync(join(outside, 'deep'), join(folder, 'link'));
      // As text this is a folder in order; the kernel takes it to the parent of the link's target.
      writeFileSync(join(folder, 'secret'), 'x', { mode: 0o600 });
      await appErrorOf(() => void read(`${top}/folder/link/../secret`), 'SYS_UNSAFE_PATH');
    });
  });
}

describe('a folder that all may write', () => {
  it('is not to be taken from them: no hint says chmod', async (t) => {
    const { folder } = await makeFile(t);
    chmodSync(folder, 0o1777);
    const socket = join(folder, 'S');
    await listen(t, socket);
    const error = await refused(socket);
    assert.doesNotMatch(error.hint ?? '', /chmod/);
    assert.match(error.hint ?? '', /install -d -m 0700/);
  });
});

describe('what is at an unreplaceable path', () => {
  it('is given, links followed', async (t) => {
    const { top, file } = await makeFile(t);
    symlinkSync('folder/secret', join(top, 'link'));
    assert.equal(assertUnreplaceable(join(top, 'link'), 0).size, 1);
    assert.equal(assertUnreplaceable(file, 0).isFile(), true);
  });

  it('ends a ring of links', async (t) => {
    const { top } = await makeFile(t);
    symlinkSync('b', join(top, 'a'));
    symlinkSync('a', join(top, 'b'));
    await appErrorOf(() => assertUnreplaceable(join(top, 'a'), 0), 'SYS_UNSAFE_PATH');
  });
});

function refused(socket: string): Promise<AppError> {
  return appErrorOf(() => {
    assertSignerSocket(socket, 0);
  }, 'SYS_UNSAFE_PATH');
}

async function listen(scope: Scope, path: string): Promise<void> {
  const server = createServer();
  server.listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  atEnd(scope, () => {
    server.close();
  });
}

describe("the way to a signer's socket", () => {
  async function makeSocket(scope: Scope): Promise<{ top: string; folder: string; path: string }> {
    const { top, folder } = await makeFile(scope);
    const path = join(folder, 'S');
    await listen(scope, path);
    return { top, folder, path };
  }

  it('is refused where a stranger owns a folder or a link', async (t) => {
    const { top, folder, path } = await makeSocket(t);
    assertSignerSocket(path, 0);
    chownSync(folder, STRANGER, STRANGER);
    await refused(path);
    chownSync(folder, 0, 0);
    chownSync(top, STRANGER, STRANGER);
    await refused(path);
    chownSync(top, 0, 0);
    const link = join(top, 'link');
    symlinkSync(path, link);
    assertSignerSocket(link, 0);
    lchownSync(link, STRANGER, STRANGER);
    await refused(link);
  });

  it("may end in the folder of the signer's own user, whose socket it is", async (t) => {
    // Not below /tmp, where anybody could have made such a folder first.
    const top = mkdtempSync('/run/cv-');
    atEnd(t, () => {
      rmSync(top, { recursive: true });
    });
    chmodSync(top, 0o755);
    const folder = join(top, 'folder');
    mkdirSync(folder);
    const path = join(folder, 'S');
    await listen(t, path);
    chownSync(folder, STRANGER, STRANGER);
    await refused(path);
    chownSync(path, STRANGER, STRANGER);
    assertSignerSocket(path, 0);
    assertSignerSocket(path, STRANGER + 1);
    for (const [spoiled, mode] of [
      [folder, 0o1777],
      [folder, 0o775],
      [top, 0o1777],
      [top, 0o775],
    ] as const) {
      chmodSync(spoiled, mode);
      await refused(path);
      chmodSync(spoiled, 0o755);
    }
    chownSync(top, STRANGER + 2, STRANGER);
    await refused(path);
  });

  it('may have a folder with the sticky bit above it, but not right above the folder of the signer', async (t) => {
    const { top, folder, path } = await makeSocket(t);
    chownSync(folder, STRANGER, STRANGER);
    chownSync(path, STRANGER, STRANGER);
    assertSignerSocket(path, 0);
    chmodSync(top, 0o1777);
    assert.match((await refused(path)).message, /it belongs to user ID 12345/);
  });
});
