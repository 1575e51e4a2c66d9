// What package.json names: packages have their reason in docs/architecture.md and their use, manual
// pages are there.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { ROOT } from '../../support/programs.js';
import { readSourceTree } from '../../support/source-tree.js';

const versions = v.record(v.string(), v.pipe(v.string(), v.regex(/^\d+\.\d+\.\d+$/)));
const manifest = v.parse(
  v.object({
    dependencies: versions,
    devDependencies: versions,
    man: v.array(v.string()),
  }),
  JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')),
);

/** Development dependencies that no file imports, by what needs them. */
const NEEDED_BY_OTHERS = new Map([
  ['@types/node', 'typescript'],
  ['eslint', 'npm run lint'],
  ['prettier', 'npm run format'],
  ['typescript-eslint', 'eslint.config.js'],
]);

interface Row {
  readonly name: string;
  readonly reason: string;
}

describe('the package', () => {
  it('installs every manual page', () => {
    const pages = readdirSync(join(ROOT, 'docs/man')).map((name) => `./docs/man/${name}`);
    assert.deepEqual([...manifest.man].sort(), pages.sort());
  });
});

describe('runtime dependencies', () => {
  it('each have a row with a reason in docs/architecture.md, and no row is of another', () => {
    const rows = dependencyRows(readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8'));
    assert.deepEqual(
      rows.map(({ name }) => name).sort(),
      Object.keys(manifest.dependencies).sort(),
    );
    assert.deepEqual(
      rows.filter(({ reason }) => reason.split(' ').length < 3),
      [],
    );
  });

  it('are read from the table of their section alone', () => {
    const text = `## Folders\n\n| \`lib\` | leaves |\n
## Runtime dependencies\n\n| package | why |\n| --- | --- |\n| \`a-b\` | it reads b |\n| \`c\` |  |\n
## Decisions\n\n| \`d\` | one |\n`;
    assert.deepEqual(dependencyRows(text), [
      { name: 'a-b', reason: 'it reads b' },
      { name: 'c', reason: '' },
    ]);
  });
});

describe('development dependencies', () => {
  it('are each used', () => {
    const imported = new Set(
      ['build', 'test']
        .flatMap((folder) => readSourceTree(ROOT, folder))
        .flatMap((file) => file.imports.map(({ target }) => target)),
    );
    const unused = Object.keys(manifest.devDependencies).filter(
      (name) => !imported.has(name) && !NEEDED_BY_OTHERS.has(name),
    );
    assert.deepEqual(unused, []);
  });

  it('are no runtime dependencies', () => {
    const both = Object.keys(manifest.devDependencies).filter(
      (name) => name in manifest.dependencies,
    );
    assert.deepEqual(both, []);
  });
});

/** The rows of the table in the section of runtime dependencies. */
function dependencyRows(text: string): Row[] {
  const [, section = ''] = /^## Runtime dependencies\n([^]*?)(?=^## |$(?![^]))/m.exec(text) ?? [];
  return [...section.matchAll(/^\| `([^`]+)` *\| *(.*?) *\|/gm)].map(
    ([, name = '', reason = '']) => ({ name, reason }),
  );
}
