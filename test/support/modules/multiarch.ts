// Where Debian puts libraries on this machine. Used by test processes only.

import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { ROOT } from '../programs.js';

const architectures = v.record(v.string(), v.object({ multiarch: v.string() }));

/** The absolute path of a library below /usr/lib/TRIPLET. */
export function multiarchLibrary(name: string): string {
  const text = readFileSync(join(ROOT, 'native-config', 'architectures.json'), 'utf8');
  const known = v.parse(architectures, JSON.parse(text))[arch()];
  if (known === undefined) {
    throw new Error(`${arch()} is not in native-config/architectures.json`);
  }
  return join('/usr/lib', known.multiarch, name);
}
