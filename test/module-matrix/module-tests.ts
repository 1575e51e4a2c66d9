// The compiled tests that fill the matrix of modules. Used by the programs that run them.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/programs.js';

const FOLDER = join(ROOT, 'dist', 'test', 'integration', 'modules');

/** Never empty: a run of no test would pass. */
export function moduleTests(): readonly string[] {
  const files = readdirSync(FOLDER).filter((name) => /^module-.*\.test\.js$/.test(name));
  if (files.length === 0) {
    throw new Error(`no test of a module in ${FOLDER}`);
  }
  return files.map((name) => join(FOLDER, name));
}
