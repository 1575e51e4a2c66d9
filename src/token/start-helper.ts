// Where the token helper begins: an old Node is refused here, before the helper's modules ask it
// for what it does not have.

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
