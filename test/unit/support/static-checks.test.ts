import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { shellScripts } from '../../support/static-checks.js';
import { makeTempDir } from '../../support/temp-dir.js';

describe('static checks', () => {
  it('find shell scripts by their name and by their first line', async (t) => {
    const folder = await makeTempDir(t);
    await mkdir(join(folder, '.ci'));
    await mkdir(join(folder, 'node_modules'));
    for (const [path, text] of [
      ['.ci/run', '#!/usr/bin/env bash\ntrue\n'],
      ['posix', '#!/bin/sh -e\n'],
      ['sourced.sh', 'true\n'],
      ['program.js', '#!/usr/bin/env node\n'],
      ['notes.txt', 'see #!/bin/sh\n'],
      ['empty', ''],
      ['node_modules/theirs.sh', ''],
    ] as const) {
      await writeFile(join(folder, path), text);
    }
    const found = await shellScripts(folder);
    assert.deepEqual(
      found.map((path) => path.slice(folder.length + 1)),
      ['.ci/run', 'posix', 'sourced.sh'],
    );
  });
});
