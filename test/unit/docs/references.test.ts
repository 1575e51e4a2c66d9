// What the documentation names of the tree exists: files and folders in backquotes and in manual
// pages, and the targets of links.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../support/programs.js';

/** Folders that are walked; a name that begins with one of them, or of those in src, is a path. */
const FOLDERS = [
  'src',
  'test',
  'docs',
  'systemd',
  'native-config',
  'packaging',
  'build',
  '.github',
  '.ci',
];
const SOURCE_FOLDERS = readdirSync(join(ROOT, 'src'));

const PRESENT: ReadonlySet<string> = new Set(
  FOLDERS.flatMap((folder) => [
    folder,
    ...readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(
      (name) => `${folder}/${name}`,
    ),
  ]),
);
const DOCUMENTS: readonly string[] = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...[...PRESENT].filter((path) => /\.md$/.test(path)),
  ...[...PRESENT].filter((path) => /^docs\/(man|examples)\//.test(path)),
];

/** Paths of the tree that a text names: in backquotes, or as a word of a manual page. */
function pathsIn(document: string, text: string): string[] {
  const words = document.endsWith('.md')
    ? [...text.replaceAll(/^```[^]*?^```$/gm, '').matchAll(/`([\w@.*/-]+)`/g)]
    : [...text.matchAll(/(?<![\w/.-])((?:docs|systemd|native-config)\/[\w@.*/-]+)/g)];
  return words
    .map(([, word = '']) => word.replace(/[./]$/, ''))
    .filter((word) => {
      const [first = ''] = word.split('/');
      return word.includes('/') && (FOLDERS.includes(first) || SOURCE_FOLDERS.includes(first));
    });
}

/** True when there is such a path, `*` standing for a part of one name. */
function isPresent(path: string): boolean {
  const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
  return [path, `src/${path}`].some((each) => PRESENT.has(each)) || hasMatch(pattern);
}

function hasMatch(pattern: RegExp): boolean {
  return [...PRESENT].some((each) => pattern.test(each) || pattern.test(each.slice('src/'.length)));
}

/** Targets of links within the repository, as paths below its root. */
function linksIn(document: string, text: string): string[] {
  return [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, target]) =>
    normalize(join(dirname(document), target ?? '')),
  );
}

function read(document: string): string {
  return readFileSync(join(ROOT, document), 'utf8');
}

describe('the documentation', () => {
  it('names only files and folders that exist', () => {
    const stale = DOCUMENTS.flatMap((document) =>
      pathsIn(document, read(document))
        .filter((path) => !isPresent(path))
        .map((path) => `${document}: ${path}`),
    );
    assert.deepEqual(stale, []);
  });

  it('links only to files that exist', () => {
    const broken = DOCUMENTS.flatMap((document) =>
      linksIn(document, read(document))
        .filter((path) => !existsSync(join(ROOT, path)))
        .map((path) => `${document}: ${path}`),
    );
    assert.deepEqual(broken, []);
  });

  it('has a row for each folder of src, among the folders of the architecture', () => {
    const [, table = ''] =
      /^\| folder[^]*?\n((?:\|.*\n)+)/m.exec(read('docs/architecture.md')) ?? [];
    const rows = table.split('\n').map((line) => line.split('|')[1] ?? '');
    const named = rows.flatMap((row) =>
      [...row.matchAll(/`([a-z0-9/]+)\/`/g)].map(([, name]) => name),
    );
    const folders = [...PRESENT]
      .filter((path) => /^src\/.*\.ts$/.test(path))
      .map((path) => dirname(path).slice('src/'.length));
    assert.deepEqual(
      [...new Set(folders)].filter((folder) => !named.includes(folder)),
      [],
    );
  });

  it('is looked through for both', () => {
    const text = 'See `signer/x.ts`, `src/lib/*.ts`, `lib/`, [a](docs/no.md#part), [b](https://c).';
    assert.deepEqual(pathsIn('README.md', `${text} \`policy/no.ts\``), [
      'src/lib/*.ts',
      'policy/no.ts',
    ]);
    assert.deepEqual([isPresent('src/lib/*.ts'), isPresent('policy/no.ts')], [true, false]);
    assert.deepEqual(linksIn('README.md', text), ['docs/no.md']);
    assert.deepEqual(pathsIn('docs/man/x.1', '.Pa docs/examples/none .'), ['docs/examples/none']);
    assert.ok(pathsIn('docs/architecture.md', read('docs/architecture.md')).length > 80);
  });
});
