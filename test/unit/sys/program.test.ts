// Which program a name of the configuration means, whatever the search path of the caller says.

import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import { locateProgram, PROGRAM_PATH } from '../../../src/sys/program.js';
import { appErrorOf } from '../../support/app-error.js';

describe('a program that the configuration names', () => {
  it('by a bare name: is sought in /usr/bin and /bin', () => {
    const path = locateProgram('cat');
    assert.match(path, /^(\/usr)?\/bin\/cat$/);
    assert.ok(statSync(path).isFile());
    assert.equal(PROGRAM_PATH, '/usr/bin:/bin');
  });

  it('by an absolute path: is that', () => {
    assert.equal(locateProgram('/opt/x/gpg'), '/opt/x/gpg');
  });

  for (const name of ['no-such-program', './cat', '../bin/cat', 'bin/cat', '']) {
    it(`${JSON.stringify(name)}: is none, and the hint says what would be`, async () => {
      const error = await appErrorOf(() => locateProgram(name), 'SYS_PATH');
      assert.match(error.message, /is not in \/usr\/bin or \/bin$/);
      assert.match(error.hint ?? '', /absolute path/);
    });
  }
});
