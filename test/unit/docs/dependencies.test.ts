// The table of runtime dependencies in docs/architecture.md: a row for each, with the folders of
// src that use it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../support/programs.js';
import { readSourceTree } from '../../support/source-tree.js';

const TEXT = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8');

/** Packages with their folders, as the table has them. */
function documented(): Record<string, readonly string[]> {
  const [, table = ''] = /^\| package .*\n((?:\|.*\n)+)/m.exec(TEXT) ?? [];
  const rows = [...table.matchAll(/^\| `([\w-]+)` +\| .*? +\| (.*?) +\|$/gm)];
  return Object.fromEntries(
    rows.map(([, name = '', where = '']) => [
      name,
      [...where.matchAll(/`(\w+)\/`/g)].map(([, folder = '']) => folder).sort(),
    ]),
  );
}

/** Packages with the folders that import them. */
function used(): Record<string, readonly string[]> {
  const folders: Record<string, Set<string>> = {};
  for (const { path, imports } of readSourceTree(ROOT, 'src')) {
    for (const { target } of imports.filter((edge) => !/^(src\/|node:)/.test(edge.target))) {
      (folders[target] ??= new Set()).add(path.split('/')[1] ?? '');
    }
  }
  return Object.fromEntries(Object.entries(folders).map(([name, set]) => [name, [...set].sort()]));
}

describe('the table of runtime dependencies', () => {
  it('has a row for each, with the folders that import it', () => {
    assert.deepEqual(documented(), used());
  });
});
