// No code that nothing uses: every file is run or imported, every export is imported, every member
// of a class or interface of src is read somewhere. What is used within one file alone, the
// compiler watches (`noUnusedLocals`, `noUnusedParameters`).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../support/programs.js';
import { type SourceFile, parseSource, readSourceTree } from '../../support/source-tree.js';

const FILES = ['build', 'src', 'test'].flatMap((folder) => readSourceTree(ROOT, folder));

/** Programs that other programs start by their path. */
const STARTED = new Set([
  'src/cli/start-claviger.ts',
  'src/cli/start-clavigerd.ts',
  'src/token/start-helper.ts',
  'test/module-matrix/main.ts',
  'test/piv-card/main.ts',
  'test/support/audit/audit-writer.ts',
  'test/support/budgets/budget-full-disk.ts',
  'test/support/client/webroot-attacker.ts',
]);

/** Members that only others than our own code read. */
const READ_BY_OTHERS = new Map([
  ['toJSON', 'JSON.stringify'],
  ['passwords', 'openpgp'],
  ['decryptionKeys', 'openpgp'],
]);

describe('code that nothing uses', () => {
  it('is no file', () => {
    const scripts = readFileSync(join(ROOT, 'package.json'), 'utf8');
    assert.deepEqual(unusedFiles(FILES, scripts), []);
    assert.deepEqual(
      unusedFiles(
        [
          parseSource('test/a.ts', "import { b } from './b.js'; b();"),
          parseSource('test/b.ts', 'export const b = () => 1;'),
          parseSource('test/c.ts', 'export const c = 1;'),
          parseSource('test/d.test.ts', ''),
        ],
        'node dist/test/a.js',
      ),
      ['test/c.ts'],
    );
  });

  it('is no export', () => {
    assert.deepEqual(unusedExports(FILES), []);
  });

  it('is no member', () => {
    assert.deepEqual(unreadMembers(FILES), []);
    const file = parseSource(
      'src/a.ts',
      `class A { used(): void {} unused(): void {} get size() { return 1; } toJSON() {} }
       interface B { kept?: A; dropped: number }
       const a = new A(); a.used(); export const { size, kept = a } = { ...a, dropped: 1 };`,
    );
    assert.deepEqual(unreadMembers([file]), ['src/a.ts: unused', 'src/a.ts: dropped']);
  });

  it('leaves no name in the list of members that others read', () => {
    const members = new Set(FILES.flatMap((file) => file.members));
    assert.deepEqual(
      [...READ_BY_OTHERS.keys()].filter((name) => !members.has(name)),
      [],
    );
  });
});

describe('an export', () => {
  const unit = parseSource('src/a/b.ts', 'export const x = 1; export type { Y };');

  for (const [user, text, unused] of [
    ['src/c.ts', "import { x, type Y } from './a/b.js';", []],
    ['src/c.ts', "import { x as z } from './a/b.js';", ['Y']],
    ['src/c.ts', "import * as b from './a/b.js';", []],
    ['src/c.ts', "const { x } = await import('./a/b.js');", ['Y']],
    ['src/c.ts', "const b = import('./a/b.js');", []],
    ['src/c.ts', "type Z = import('./a/b.js').Y;", ['x']],
    ['src/c.ts', "import { x } from './other.js';", ['x', 'Y']],
    ['test/unit/a/b.test.ts', "import { x, type Y } from '../../../src/a/b.js';", []],
    ['test/support/d.ts', "import { x, type Y } from '../../src/a/b.js';", []],
    ['test/integration/d.test.ts', "import { x, type Y } from '../../src/a/b.js';", ['x', 'Y']],
  ] as const) {
    it(`${unused.length === 0 ? 'is used' : 'is not all used'} by ${user}: ${text}`, () => {
      assert.deepEqual(
        unusedExports([unit, parseSource(user, text)]),
        unused.map((name) => `src/a/b.ts: ${name}`),
      );
    });
  }
});

/** The files that are neither imported, nor tests, nor programs that `scripts` or others start. */
function unusedFiles(files: readonly SourceFile[], scripts: string): string[] {
  const imported = new Set(files.flatMap((file) => file.imports.map(({ target }) => target)));
  const isStarted = (path: string): boolean =>
    path.endsWith('.test.ts') ||
    STARTED.has(path) ||
    scripts.includes(`dist/${path.replace(/\.ts$/, '.js')}`);
  return files.map(({ path }) => path).filter((path) => !imported.has(path) && !isStarted(path));
}

/**
 * The exports that no other file imports. What the programs are made of is exported for them, for
 * unit tests or for the doubles of test/support: an integration test looks from outside.
 */
function unusedExports(files: readonly SourceFile[]): string[] {
  const users = new Map<string, string[]>();
  for (const file of files) {
    for (const { target, names } of file.imports) {
      for (const name of names) {
        users.set(`${target}: ${name}`, [...(users.get(`${target}: ${name}`) ?? []), file.path]);
      }
    }
  }
  return files.flatMap(({ path, exports }) =>
    exports
      .map((name) => `${path}: ${name}`)
      .filter((name) => {
        const using = [...(users.get(name) ?? []), ...(users.get(`${path}: *`) ?? [])];
        return !using.some((user) => user !== path && mayUseAlone(user, path));
      }),
  );
}

function mayUseAlone(user: string, path: string): boolean {
  return !path.startsWith('src/') || !user.startsWith('test/integration/');
}

/** Members of classes and interfaces of src whose name nothing reads, in any file. */
function unreadMembers(files: readonly SourceFile[]): string[] {
  const read = new Set(files.flatMap((file) => [...file.readNames]));
  const sources = files.filter(({ path }) => path.startsWith('src/'));
  return sources.flatMap(({ path, members }) =>
    members
      .filter((name) => !read.has(name) && !READ_BY_OTHERS.has(name))
      .map((name) => `${path}: ${name}`),
  );
}
