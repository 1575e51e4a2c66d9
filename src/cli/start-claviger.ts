#!/usr/bin/env node
// Where `claviger` begins: an old Node is refused here. It could not even load the program, whose
// modules ask it for what it does not have, so these are imported after the question.

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
