// The records of several audit files in the order of their numbers, for the `clavigerd audit`
// commands. They are read twice: what is none of the chain's shows by what comes after it alone.
// That, and what is no record, is told and left out.

import { statSync } from 'node:fs';
import { MAX_RECORD_BYTES } from '../../audit/record-line.js';
import { AppError } from '../../lib/errors.js';
import { readFileLines } from './file.js';
import { verifyFiles } from './verify.js';
import { ChainSieve, type ReadRecord } from './chain-sieve.js';

/**
 * The records of all files, as many at a time as one read brings.
 * @param onProblem told of each break of the chain.
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

/** A file that is not there is told when it is read. */
function identityOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino}`;
}
