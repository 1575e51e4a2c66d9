// What both programs know of the package they are in: the version of package.json, the one place it is written,
// and where its documents are.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The path of a file of this package. */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(`../../../${name}`, import.meta.url));
}

/** Version of this package, `1.2.3`. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(packageFile('package.json'), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version);
  }
  return 'unknown';
}
