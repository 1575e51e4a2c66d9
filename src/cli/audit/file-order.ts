// Sorts audit files by their first records, whatever their names, for the `clavigerd audit`
// commands.

import { inChainOrder } from '../../audit/audit-chain.js';
import type { AuditRecord } from '../../audit/audit-record.js';
import { MAX_RECORD_BYTES, parseRecord } from '../../audit/record-line.js';
import { readFileLines } from './file.js';
import type { CutLine } from '../terminal/line-cutter.js';

/** In how many lines at the beginning of a file its first record is searched. */
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
