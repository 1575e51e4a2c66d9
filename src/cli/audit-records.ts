// The records of several audit files in the order of their numbers, for the `clavigerd audit` commands.
// A line that is no record is told and left out; that the others are a chain, `verify` alone checks.

import { inChainOrder } from '../audit/audit-chain.js';
import { MAX_RECORD_BYTES, parseRecord, type AuditRecord } from '../audit/audit-record.js';
import { messageOf } from '../lib/errors.js';
import { readFileLines } from './audit-file.js';
import type { CutLine } from './line-cutter.js';

export interface ReadRecord {
  readonly record: AuditRecord;
  /** The record as it stands in the file. */
  readonly line: string;
}

/** Lines at the beginning of a file in which its first record is looked for. */
const MAX_LINES_AHEAD = 1000;

/** Files in the order of their first records. @throws AppError SYS_FILE */
export async function inOrderOfRecords(paths: readonly string[]): Promise<readonly string[]> {
  const firsts = new Map<string, AuditRecord | undefined>();
  for (const path of paths) {
    firsts.set(path, await firstRecordOf(path));
  }
  return inChainOrder(paths, (path) => firsts.get(path));
}

async function firstRecordOf(path: string): Promise<AuditRecord | undefined> {
  for await (const lines of readFileLines(path, MAX_RECORD_BYTES)) {
    const first = lines.map(recordOf).find((record) => record !== undefined);
    if (first !== undefined || (lines.at(-1)?.number ?? 0) > MAX_LINES_AHEAD) {
      return first;
    }
  }
  return undefined;
}

function recordOf({ bytes, isEnded }: CutLine): AuditRecord | undefined {
  try {
    return isEnded ? parseRecord(bytes) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The records of all files, as many at a time as one read brings.
 * @param onProblem told of each line that is no record.
 * @throws AppError SYS_FILE
 */
export async function* readRecords(
  paths: readonly string[],
  onProblem: (problem: string) => void,
): AsyncGenerator<readonly ReadRecord[]> {
  for (const path of await inOrderOfRecords(paths)) {
    for await (const lines of readFileLines(path, MAX_RECORD_BYTES)) {
      yield lines.flatMap(({ number, bytes }) => {
        try {
          return [{ record: parseRecord(bytes), line: bytes.toString('latin1') }];
        } catch (error) {
          onProblem(`${path}:${number}: ${messageOf(error)}`);
          return [];
        }
      });
    }
  }
}
