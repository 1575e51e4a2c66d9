// What the set-up would install on a bare machine, by its purpose: the demo gets what it uses and
// no more.

import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runCommand, type CommandResult } from '../../support/process.js';
import { ROOT } from '../../support/programs.js';
import type { Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

/**
 * As a user who cannot install, on a machine where dpkg knows no package: then it prints the
 * commands.
 */
async function setUp(t: Scope, purpose: string): Promise<CommandResult> {
  const folder = await makeTempDir(t);
  await chmod(folder, 0o755);
  await writeFile(join(folder, 'dpkg-query'), '#!/bin/sh\nexit 1\n');
  await chmod(join(folder, 'dpkg-query'), 0o755);
  return await runCommand(
    'setpriv',
    [
      ...['--reuid=65534', '--regid=65534', '--clear-groups'],
      ...['bash', join(ROOT, 'test/setup.sh'), purpose],
    ],
    { env: { PATH: `${folder}:${process.env['PATH'] ?? ''}` } },
  );
}

describe('test/setup.sh', () => {
  it('installs for the demo what the demo needs', async (t) => {
    const { code, stdout } = await setUp(t, 'demo');
    assert.equal(code, 1);
    assert.match(stdout, /apt-get install .* softhsm2 opensc openssl/);
    assert.doesNotMatch(stdout, /openssh-server|lacme|opencryptoki|swtpm/);
  });

  it('installs for the tests what they compare with', async (t) => {
    assert.match((await setUp(t, 'test')).stdout, /lacme .*openssh-server/);
  });

  it('refuses another purpose', async (t) => {
    assert.equal((await setUp(t, 'holiday')).code, 2);
  });
});
