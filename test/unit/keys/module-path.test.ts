// Which library a URI means, and what is said when there is none.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listModuleNames, resolveModule } from '../../../src/keys/module-path.js';
import { appErrorOf } from '../../support/app-error.js';
import { SOFTHSM_MODULE } from '../../support/softhsm.js';
import { makeTempDir } from '../../support/temp-dir.js';

function resolve(modulePath?: string, moduleName?: string): string {
  return resolveModule({ modulePath, moduleName }, {}).path;
}

describe('module', () => {
  it('is found by path and by name', () => {
    assert.equal(resolve(SOFTHSM_MODULE), SOFTHSM_MODULE);
    assert.equal(resolve(undefined, 'softhsm2'), SOFTHSM_MODULE);
  });

  it('must be named', async () => {
    const error = await appErrorOf(() => resolve(), 'KEY_URI');
    assert.match(error.hint ?? '', /softhsm2/);
  });

  it('must exist, and be a file', async (t) => {
    const folder = await makeTempDir(t);
    const missing = await appErrorOf(() => resolve(`${folder}/none.so`), 'TOKEN_MODULE');
    assert.match(missing.message, /none\.so: there is no such file/);
    const error = await appErrorOf(() => resolve(folder), 'TOKEN_MODULE');
    assert.match(error.message, /not a regular file/);
  });

  it('has a profile, or its name is refused', async () => {
    const error = await appErrorOf(() => resolve(undefined, 'softhsm3'), 'KEY_URI');
    assert.match(error.message, /"softhsm3" is not known/);
    assert.match(error.hint ?? '', /softhsm2/);
  });

  it('that is not installed says which package has it', async () => {
    for (const name of listModuleNames()) {
      try {
        assert.match(resolve(undefined, name), /^\/usr\//);
      } catch {
        const error = await appErrorOf(() => resolve(undefined, name), 'TOKEN_MODULE');
        assert.match(error.hint ?? '', /comes in packages \(.+\); elsewhere give module-path/);
      }
    }
  });
});
