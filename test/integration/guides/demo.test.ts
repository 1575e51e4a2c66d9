// The demo of the README runs to its end and leaves nothing behind.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runCommand } from '../../support/process.js';
import { ROOT } from '../../support/programs.js';
import { makeTempDir } from '../../support/temp-dir.js';

describe('the demo', () => {
  it('issues under each restriction, shows the records and the refusals, and removes everything', async (t) => {
    const temporary = await makeTempDir(t, 'demo-');
    const demo = join(ROOT, 'dist/test/demo/demo.js');
    const result = await runCommand(process.execPath, [demo], { env: { TMPDIR: temporary } });
    assert.equal(result.code, 0, result.stderr);
    assert.equal(
      result.stdout.match(/DNS:demo\.example\.org, DNS:www\.demo\.example\.org/g)?.length,
      3,
    );
    assert.match(result.stdout, /signed conn=\d+ op=finalize/);
    assert.match(result.stdout, /refused conn=\d+ op=deactivate-account/);
    assert.match(
      result.stdout,
      /the signer's policy 'web' does not allow new-order for mail\.example\.net/,
    );
    assert.match(result.stdout, /the chain holds/);
    assert.match(result.stdout, /Done in /);
    assert.deepEqual(await readdir(temporary), []);
  });
});
