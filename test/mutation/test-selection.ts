// Which tests can notice a change of a source file: those that load it, the nearest first. Pure.

import type { SourceFile } from '../support/source-tree.js';

/**
 * The unit tests that import `path`, directly or through others, by distance; then one property
 * test, which takes longer.
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
  return [...found.slice(0, most), ...properties.slice(0, 1)];
}

function isUnitTest(path: string): boolean {
  return /^test\/unit\/.*\.test\.ts$/.test(path) && !path.endsWith('architecture.test.ts');
}
