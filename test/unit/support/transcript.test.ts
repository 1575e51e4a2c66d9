// The search for secrets in a run's transcript: it must find what is there, or it proves nothing.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCommand } from '../../support/process.js';
import { makeTempDir } from '../../support/temp-dir.js';
import { TRANSCRIPT_VARIABLE, recordSecret, searchSecrets } from '../../support/transcript.js';

const SECRET = 'correct-horse-4711';

/**
 * Runs `source` in a process of its own that records into `folder`, after the support modules are
 * loaded.
 */
async function recordIn(folder: string, source: string): Promise<void> {
  const support = new URL('../../support/', import.meta.url).href;
  const program = `
    import { recordSecret, recordText } from '${support}transcript.js';
    import { runCommand } from '${support}process.js';
    ${source}`;
  const result = await runCommand(process.execPath, ['--input-type=module'], {
    input: program,
    env: { [TRANSCRIPT_VARIABLE]: folder },
  });
  assert.equal(result.code, 0, result.stderr);
}

describe('transcript', () => {
  it('finds a secret in recorded text and names where it was', async (t) => {
    const folder = await makeTempDir(t);
    await recordIn(
      folder,
      `recordSecret('${SECRET}'); recordText('some.log', 'a\\nPIN ${SECRET}\\n');`,
    );
    const search = searchSecrets(folder, '');
    assert.deepEqual(search.leaks, ['some.log: PIN [SECRET]']);
  });

  it('finds a secret in an argument of a program of ours', async (t) => {
    const folder = await makeTempDir(t);
    await recordIn(
      folder,
      `recordSecret('${SECRET}'); await runCommand(process.execPath, ['-e', '0', '${SECRET}']);`,
    );
    assert.ok(searchSecrets(folder, '').leaks.length > 0);
  });

  it('finds a secret in what the runner itself printed', async (t) => {
    const folder = await makeTempDir(t);
    await recordIn(folder, `recordSecret('${SECRET}');`);
    assert.equal(searchSecrets(folder, `error: ${SECRET}`).leaks.length, 1);
  });

  it('takes no secret that a hash holds by chance', () => {
    assert.throws(() => {
      recordSecret('0123abcd');
    }, /hexadecimal/);
  });

  it('is silent where there is none', async (t) => {
    const folder = await makeTempDir(t);
    await recordIn(folder, `recordSecret('${SECRET}'); recordText('some.log', 'nothing');`);
    const search = searchSecrets(folder, 'nothing');
    assert.deepEqual(search.leaks, []);
    assert.equal(search.secrets, 1);
  });
});
