// Unit tests are found where their unit is: `src/a/b.ts` has its tests in `test/unit/a/b.test.ts`.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../support/programs.js';

/** Tests of the tree and of the documents, which have no file of code to lie beside. */
const OF_THE_TREE = /^(architecture$|tree\/|docs\/)/;

describe('a unit test', () => {
  it('has the name of its unit: a file of src, test or build, or a folder of test', () => {
    const tests = readdirSync(join(ROOT, 'test/unit'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `test/unit/${name}`);
    assert.ok(tests.length > 50, 'there are unit tests');
    assert.deepEqual(
      tests.filter((path) => !hasUnit(path)),
      [],
    );
  });

  it('is seen when it has none', () => {
    assert.ok(hasUnit('test/unit/lib/base64url.test.ts'));
    assert.ok(hasUnit('test/unit/support/scope.test.ts'));
    assert.ok(!hasUnit('test/unit/jose/base64url.test.ts'));
    assert.ok(!hasUnit('test/unit/lib.test.ts'));
  });
});

function hasUnit(path: string): boolean {
  const name = path.replace(/^test\/unit\/(.*?)(\.test)?\.ts$/, '$1');
  return (
    OF_THE_TREE.test(name) ||
    [`src/${name}.ts`, `test/${name}.ts`, `test/${name}`, `${name}.ts`].some((unit) =>
      existsSync(join(ROOT, unit)),
    )
  );
}
