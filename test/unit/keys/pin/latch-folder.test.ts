// The files of latches: private, of the owner of their folder, and never reached through a link.

import assert from 'node:assert/strict';
import {
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LatchFolder } from '../../../../src/keys/pin/latch-folder.js';
import { newLatch } from '../../../../src/keys/pin/latch.js';
import { appErrorOf } from '../../../support/app-error.js';
import { TOKEN_INFO } from '../../../support/keys/token-info.js';
import { mustRun } from '../../../support/process.js';
import type { Scope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const ID = '0123456789abcdef0123456789abcdef';
const OTHER = 'f'.repeat(32);
const LATCH = newLatch(TOKEN_INFO, { source: 'env:PIN', identity: 'env:PIN' }, undefined, 0);
const WAIT = { waitMs: 20_000, signal: new AbortController().signal, what: 'PIN latch' };
const SERVICE = 12_345;

async function makeFolder(t: Scope): Promise<{ state: string; path: string; folder: LatchFolder }> {
  const state = await makeTempDir(t);
  const folder = LatchFolder.open(state, true);
  t.after(() => {
    folder.close();
  });
  return { state, path: join(state, 'pin-latches'), folder };
}

describe('a folder of latches', () => {
  it('is made when an attempt is to be recorded, and not by a look', async (t) => {
    const state = await makeTempDir(t);
    assert.equal(LatchFolder.open(state, false), undefined);
    assert.ok(!existsSync(join(state, 'pin-latches')));
    LatchFolder.open(state, true).close();
    assert.equal(statSync(join(state, 'pin-latches')).mode & 0o777, 0o700);
    const folder = LatchFolder.open(state, false);
    assert.ok(folder !== undefined);
    folder.close();
  });

  it('wants a state directory by its absolute path', async () => {
    for (const path of ['', 'state']) {
      const error = await appErrorOf(() => LatchFolder.open(path, true), 'SYS_FILE');
      assert.equal(error.message, 'PIN latch: there is no state directory to note attempts in');
      assert.match(error.hint ?? '', /--state-directory$/);
    }
  });

  it('says what to do where it cannot be made', async (t) => {
    const state = await makeTempDir(t);
    writeFileSync(join(state, 'pin-latches'), '');
    const error = await appErrorOf(() => LatchFolder.open(state, true), 'SYS_FILE');
    assert.match(error.message, /^PIN latch: /);
    assert.match(error.hint ?? '', /without a note of the attempt no PIN is tried/);
  });
});

describe('a folder that is closed', () => {
  it('has no descriptor any more', async (t) => {
    const state = await makeTempDir(t);
    const openPaths = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        try {
          return [readlinkSync(`/proc/self/fd/${fd}`)];
        } catch {
          return []; // that of the listing
        }
      });
    const folder = LatchFolder.open(state, true);
    assert.ok(openPaths().some((path) => path.endsWith('/pin-latches')));
    folder.close();
    assert.ok(!openPaths().some((path) => path.startsWith(state)));
  });
});

describe('a latch file', () => {
  it('gives back what was written, for this user alone, until it is removed', async (t) => {
    const { folder, path } = await makeFolder(t);
    assert.equal(folder.read(ID), undefined);
    await folder.write(ID, LATCH);
    assert.deepEqual(folder.read(ID), LATCH);
    assert.equal(folder.pathOf(ID), join(path, `${ID}.json`));
    assert.equal(statSync(folder.pathOf(ID)).mode & 0o777, 0o600);
    await folder.write(ID, { ...LATCH, attempts: 2 });
    assert.deepEqual(folder.read(ID), { ...LATCH, attempts: 2 });
    folder.remove(ID);
    assert.equal(folder.read(ID), undefined);
    folder.remove(ID);
  });

  it('is listed by its ID, in order; nothing else of the folder is', async (t) => {
    const { folder, path } = await makeFolder(t);
    await folder.write(OTHER, LATCH);
    await folder.write(ID, LATCH);
    for (const name of [`${ID}.lock`, 'x.json', `${ID}.json.tmp`, `a${ID}.json`]) {
      writeFileSync(join(path, name), '');
    }
    assert.deepEqual(folder.ids(), [ID, OTHER]);
  });

  it('is damaged when it is no latch, too long, a link, a folder, or has a second name', async (t) => {
    const { folder, path } = await makeFolder(t);
    const file = folder.pathOf(ID);
    const elsewhere = join(path, 'elsewhere');
    await folder.write(OTHER, LATCH);
    const damages: readonly (() => void)[] = [
      () => {
        writeFileSync(file, '{}');
      },
      () => {
        writeFileSync(file, `${JSON.stringify(LATCH)}${' '.repeat(64 * 1024)}`);
      },
      () => {
        symlinkSync(folder.pathOf(OTHER), file);
      },
      () => {
        linkSync(folder.pathOf(OTHER), file);
      },
    ];
    for (const damage of damages) {
      damage();
      assert.equal(folder.read(ID), 'damaged');
      unlinkSync(file);
    }
    mkdirSync(file);
    assert.equal(folder.read(ID), 'damaged');
    await appErrorOf(() => {
      folder.remove(ID);
    }, 'SYS_FILE');
    const error = await appErrorOf(() => folder.write(ID, LATCH), 'SYS_FILE');
    assert.ok(error.message.startsWith(`PIN latch: ${file}: `), error.message);
    assert.ok(!existsSync(elsewhere));
  });

  it('is damaged, and not waited for, when it is a FIFO', async (t) => {
    const { folder } = await makeFolder(t);
    await mustRun('mkfifo', [folder.pathOf(ID)]);
    assert.equal(folder.read(ID), 'damaged');
  });

  it('of root in the folder of a service is given to the service, and the lock file as well', async (t) => {
    assert.equal(process.geteuid?.(), 0, 'this test gives files away');
    const state = await makeTempDir(t);
    LatchFolder.open(state, true).close();
    const path = join(state, 'pin-latches');
    chownSync(path, SERVICE, SERVICE);
    chownSync(state, SERVICE, SERVICE);
    const folder = LatchFolder.open(state, true);
    await folder.write(ID, LATCH);
    closeSync(await folder.lock(ID, WAIT));
    folder.close();
    const owners = readdirSync(path).map((name) => {
      const { uid, gid } = statSync(join(path, name));
      return [name, uid, gid];
    });
    assert.deepEqual(owners.sort(), [
      [`${ID}.json`, SERVICE, SERVICE],
      [`${ID}.lock`, SERVICE, SERVICE],
    ]);
  });
});

describe('the lock of a latch', () => {
  it('is seen by others while its descriptor is open, and its file stays', async (t) => {
    const { folder } = await makeFolder(t);
    assert.ok(!folder.isLocked(ID));
    const fd = await folder.lock(ID, WAIT);
    assert.ok(folder.isLocked(ID));
    assert.ok(!folder.isLocked(OTHER));
    await appErrorOf(() => folder.lock(ID, { ...WAIT, waitMs: 50 }), 'SYS_LOCKED');
    closeSync(fd);
    assert.ok(!folder.isLocked(ID));
    closeSync(await folder.lock(ID, WAIT));
  });

  it('is not taken on a link', async (t) => {
    const { folder, path } = await makeFolder(t);
    symlinkSync(join(path, 'elsewhere'), join(path, `${ID}.lock`));
    const error = await appErrorOf(() => folder.lock(ID, WAIT), 'SYS_FILE');
    assert.equal(error.message, `PIN latch: ${join(path, `${ID}.lock`)} is no regular file`);
    assert.ok(!folder.isLocked(ID));
    assert.ok(!existsSync(join(path, 'elsewhere')));
  });
});
