#!/usr/bin/env node
// The entry point of claviger: refuses an old Node. The program is imported after the check, since
// its modules use what an old Node does not have.

import { readFileSync } from 'node:fs';
import { engineProblem } from '../lib/node-engine.js';
import { writeStderr } from './terminal/standard-error.js';

const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
const problem = engineProblem(process.versions.node, manifest);
if (problem === undefined) {
  await import('./claviger.js');
} else {
  writeStderr(
    `claviger: error: ${problem}\nclaviger: hint: ${process.execPath} was run; install a newer one, or put it first in PATH\n`,
  );
  process.exitCode = 2;
}
