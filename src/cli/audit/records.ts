// Reads the records of several audit files in the order of their numbers, for `clavigerd audit
// show` and `summary`. The files are read twice, for only later records show that one does not
// belong to the chain. Such records, and lines that are no records, are reported and left out.

import { statSync } from 'node:fs';
import { MAX_RECORD_BYTES } from '../../audit/record-line.js';
import { AppError } from '../../lib/errors.js';
import { readFileLines } from './file.js';
import { verifyFiles } from './verify.js';
import { ChainSieve, type ReadRecord } from './chain-sieve.js';

/**
 * The records of all files, as many at a time as one read brings.
 * @param onProblem called for each break of the chain
 * @throws AppError SYS_FILE
 */
export async function* readRecords(
  paths: readonly string[],
  onProblem: (problem: string) => void,
): AsyncGenerator<readonly ReadRecord[]> {
  const identities = new Map(paths.map((path) => [path, identityOf(path)]));
  const checked = await verifyFiles(paths, []);
  for (const { file, line, kind, message } of checked.findings) {
    onProblem(`${file}:${line}: ${kind}: ${message}`);
  }
  const sieve = new ChainSieve(checked.unchained, checked.records);
  for (const path of checked.files) {
    if (identityOf(path) !== identities.get(path)) {
      throw new AppError('SYS_FILE', `audit log: ${path}: rotated while it was read`, {
        hint: 'run the command again',
      });
    }
    for await (const lines of readFileLines(path, MAX_RECORD_BYTES)) {
      yield lines.flatMap((line) => sieve.take(line));
    }
  }
}

/** Undefined where there is no file: reading it fails later. */
function identityOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}
