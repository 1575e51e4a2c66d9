// Which tests can notice a change of a source file: those that load it, its own and the nearest
// first. Pure; used by `npm run mutation`.

import type { SourceFile } from '../support/source-tree.js';

/**
 * The unit test that mirrors `path`, then other unit tests that import it, directly or through
 * others, by distance; last one property test, which takes longer.
 * @param most how many unit tests
 */
export function testsOf(path: string, files: readonly SourceFile[], most: number): string[] {
  const importers = new Map<string, string[]>();
  for (const file of files) {
    for (const { target, isRuntime } of file.imports) {
      if (isRuntime) {
        importers.set(target, [...(importers.get(target) ?? []), file.path]);
      }
    }
  }
  const found: string[] = [];
  const properties: string[] = [];
  const seen = new Set([path]);
  for (let ring = [path]; ring.length > 0;) {
    ring = [...new Set(ring.flatMap((name) => importers.get(name) ?? []))];
    ring = ring.filter((name) => !seen.has(name));
    ring.forEach((name) => seen.add(name));
    found.push(...ring.filter(isUnitTest).sort());
    properties.push(...ring.filter((name) => name.startsWith('test/property/')).sort());
  }
  const own = path.replace(/^src\//, 'test/unit/').replace(/\.ts$/, '.test.ts');
  const nearest = [
    ...found.filter((name) => name === own),
    ...found.filter((name) => name !== own),
  ];
  return [...nearest.slice(0, most), ...properties.slice(0, 1)];
}

function isUnitTest(path: string): boolean {
  return /^test\/unit\/.*\.test\.ts$/.test(path) && !path.endsWith('architecture.test.ts');
}
