import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { readAtMost, readBoundedFile } from '../../../../src/sys/files/bounded-file.js';
import { suiteScope } from '../../../support/scope.js';
import { makeTempDir } from '../../../support/temp-dir.js';

const scope = suiteScope();
let folder: string;
before(async () => {
  folder = await makeTempDir(scope);
});

function fileOf(content: string | Buffer): string {
  const path = join(folder, 'file');
  writeFileSync(path, content);
  return path;
}

function readWith(path: string, maxBytes: number): string | undefined {
  const fd = openSync(path, 'r');
  try {
    return readAtMost(fd, maxBytes)?.toString('latin1');
  } finally {
    closeSync(fd);
  }
}

describe('readAtMost', () => {
  for (const bytes of [0, 1, 4095, 4096, 4097, 100_000]) {
    it(`reads a file of ${bytes} bytes when that is the limit, and not when it is less`, () => {
      const content = Buffer.alloc(bytes, 'ab').toString('latin1');
      const path = fileOf(content);
      assert.equal(readWith(path, bytes), content);
      if (bytes > 0) {
        assert.equal(readWith(path, bytes - 1), undefined);
      }
    });
  }

  it('reads a file whose size the system does not tell', () => {
    const limits = readWith('/proc/self/limits', 64 * 1024) ?? '';
    assert.match(limits, /Max open files/);
    assert.equal(readWith('/proc/self/limits', limits.length), limits);
    assert.equal(readWith('/proc/self/limits', 10), undefined);
    const maps = readWith('/proc/self/maps', 16 * 1024 * 1024) ?? '';
    assert.ok(maps.length > 8192 && maps.endsWith('\n'), 'larger than the first reads');
  });

  it('throws what the system says', () => {
    assert.throws(() => readWith(folder, 10), { code: 'EISDIR' });
  });
});

describe('readBoundedFile', () => {
  it('reads a regular file that the check lets pass', async () => {
    const path = fileOf('abc');
    const link = join(folder, 'link');
    symlinkSync(path, link);
    assert.equal((await readBoundedFile(link, 3)).toString(), 'abc');
    await assert.rejects(readBoundedFile(path, 2), /^Error: is larger than 2 bytes$/);
    const check = (): void => {
      throw new Error('not this one');
    };
    await assert.rejects(readBoundedFile(path, 3, check), /not this one/);
  });

  it('does not wait for a writer of a FIFO, and reads no folder', async () => {
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    await assert.rejects(readBoundedFile(fifo, 10), /is not a regular file/);
    await assert.rejects(readBoundedFile(folder, 10), /is not a regular file/);
    await assert.rejects(readBoundedFile(join(folder, 'none'), 10), { code: 'ENOENT' });
  });
});
