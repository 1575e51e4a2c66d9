// What both programs know of the package they are in: the version of package.json, the one place it is written,
// and where its documents are.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isJsonObject, jsonMember } from '../lib/json-value.js';
import { parsePatientJson } from '../lib/patient-json.js';

/** The path of a file of this package. */
export function packageFile(name: string): string {
  return fileURLToPath(new URL(`../../../${name}`, import.meta.url));
}

/** Version of this package, `1.2.3`. */
export function packageVersion(): string {
  const manifest = parsePatientJson(readFileSync(packageFile('package.json')));
  const version = isJsonObject(manifest) ? jsonMember(manifest, 'version') : undefined;
  return typeof version === 'string' ? version : 'unknown';
}
