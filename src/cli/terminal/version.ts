// The version of the package, for both programs; it stands in package.json alone. Runs in clavigerd
// and claviger.

import { readFileSync } from 'node:fs';
import { isJsonObject, jsonMember } from '../../lib/json/json-value.js';
import { parsePatientJson } from '../../lib/json/patient-json.js';
import { packageFile } from '../../sys/package-files.js';

/** Version of this package, `1.2.3`. */
export function packageVersion(): string {
  const manifest = parsePatientJson(readFileSync(packageFile('package.json')));
  const version = isJsonObject(manifest) ? jsonMember(manifest, 'version') : undefined;
  return typeof version === 'string' ? version : 'unknown';
}
