// `npm run matrix`: runs the tests of every module and writes what came of them into
// docs/module-matrix.md.

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { runCommand } from '../support/process.js';
import { formatMatrixFile, MATRIX_FILE, type Matrix } from './matrix-file.js';
import { moduleTests } from './module-tests.js';

const RUN_TIMEOUT_MS = 600_000;
const row = v.record(v.string(), v.string());

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cvmatrix-'));
  try {
    const result = await runCommand(process.execPath, ['--test', ...moduleTests()], {
      env: { MODULE_MATRIX_FOLDER: folder },
      timeoutMs: RUN_TIMEOUT_MS,
    });
    if (result.code !== 0) {
      throw new Error(`the tests of the modules failed:\n${result.stdout}${result.stderr}`);
    }
    const matrix: Matrix = new Map(
      readdirSync(folder).map((name) => [
        name.replace('.json', ''),
        v.parse(row, JSON.parse(readFileSync(join(folder, name), 'utf8'))),
      ]),
    );
    writeFileSync(MATRIX_FILE, formatMatrixFile(readFileSync(MATRIX_FILE, 'utf8'), matrix));
    process.stdout.write(`${MATRIX_FILE}: ${matrix.size} modules\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
