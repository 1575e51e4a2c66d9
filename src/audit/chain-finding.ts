// What the verification of audit records reports: findings, each a place and what is wrong there.
// Pure; `clavigerd audit`.

export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/**
 * What happened to the records at a place. `truncated`: a file ends within a line, or the chain
 * ends before a record that is known. `not-a-record`: a line that is no record.
 */
type BreakKind = 'removed' | 'inserted' | 'reordered' | 'edited' | 'truncated' | 'not-a-record';

export interface ChainFinding extends Place {
  readonly kind: BreakKind;
  readonly message: string;
}

/** Records by their position among all records read, from 1, both ends included. */
export interface RecordRange {
  readonly from: number;
  readonly to: number;
}

export function finding(kind: BreakKind, { file, line }: Place, message: string): ChainFinding {
  return { kind, file, line, message };
}

/**
 * Findings in the order of their lines. Of several for one line only the first is kept, which is
 * the most specific one.
 * @param files the names of the files in their order
 */
export function inOrderOfLines(
  findings: readonly ChainFinding[],
  files: readonly string[],
): readonly ChainFinding[] {
  const rank = ({ file }: Place): number => files.indexOf(file);
  const sorted = [...findings].sort((a, b) => rank(a) - rank(b) || a.line - b.line);
  const seen = new Set<string>();
  return sorted.filter(({ file, line }) => {
    const place = `${line} ${file}`;
    const isNew = !seen.has(place);
    seen.add(place);
    return isNew;
  });
}
