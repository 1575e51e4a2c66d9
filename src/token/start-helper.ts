// The entry point of the token helper. Refuses an old version of Node before it imports modules
// that need a newer one.

import { readFileSync, writeSync } from 'node:fs';
import { engineProblem } from '../lib/node-engine.js';

const STDERR_FD = 2;

const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
const problem = engineProblem(process.versions.node, manifest);
if (problem === undefined) {
  await import('./helper.js');
} else {
  writeSync(STDERR_FD, `claviger-token-helper: ${problem}\n`);
  process.exitCode = 2;
}
