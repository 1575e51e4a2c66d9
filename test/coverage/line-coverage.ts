// Sums what V8 says of many processes to the lines of TypeScript that ran. Pure. The coverage
// programs use it; a line counts when it has code that is still there after compilation.

import type { SourceMap } from 'node:module';

/**
 * What V8 writes of one script: functions, each with its blocks from the outermost to the inner.
 */
interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

/** By file of TypeScript: each line that has code, and whether it ran. */
export type Lines = Map<string, Map<number, boolean>>;

/** A line of a script, and the line of TypeScript that it was made of. */
interface MappedLine {
  readonly start: number;
  readonly end: number;
  readonly source: string;
  readonly line: number;
}

/** The lines of a script that come from TypeScript. */
export function mapLines(text: string, map: SourceMap): readonly MappedLine[] {
  const mapped: MappedLine[] = [];
  let offset = 0;
  for (const [at, content] of text.split('\n').entries()) {
    const column = content.search(/\S/);
    const entry = map.findEntry(at, Math.max(column, 0));
    // Without a mapping of its own, a line gets the one of a line before it.
    if (column !== -1 && 'originalSource' in entry && entry.generatedLine === at) {
      mapped.push({
        start: offset + column,
        end: offset + content.trimEnd().length,
        source: entry.originalSource,
        line: entry.originalLine,
      });
    }
    offset += content.length + 1;
  }
  return mapped;
}

/** Notes that these lines are there, and which of them ran in one process, if it is known. */
export function addLines(
  lines: Lines,
  mapped: readonly MappedLine[],
  coverage: ScriptCoverage | undefined,
): void {
  const ran = coverage && ranOffsets(coverage, mapped.at(-1)?.end ?? 0);
  for (const { start, end, source, line } of mapped) {
    const ofFile = lines.get(source) ?? new Map<number, boolean>();
    lines.set(source, ofFile);
    const isCovered = ran?.subarray(start, end).includes(1) ?? false;
    ofFile.set(line, isCovered || ofFile.get(line) === true);
  }
}

/** By offset in the script, 1 where it ran: inner blocks say more than those around them. */
function ranOffsets({ functions }: ScriptCoverage, length: number): Uint8Array {
  const ran = new Uint8Array(length);
  for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
    ran.fill(count > 0 ? 1 : 0, startOffset, endOffset);
  }
  return ran;
}

/** `src/acme   97.1 %  812 of 836 lines`, by folder, and for all at the end. */
export function formatFolders(lines: Lines): readonly string[] {
  const folders = new Map<string, { ran: number; all: number }>();
  for (const [path, ofFile] of lines) {
    for (const name of [path.slice(0, path.lastIndexOf('/')), 'all']) {
      const sum = folders.get(name) ?? { ran: 0, all: 0 };
      sum.ran += [...ofFile.values()].filter(Boolean).length;
      sum.all += ofFile.size;
      folders.set(name, sum);
    }
  }
  const rows = [...folders].sort(([left], [right]) => (rank(left) < rank(right) ? -1 : 1));
  return rows.map(([name, { ran, all }]) => {
    const percent = ((100 * ran) / all).toFixed(1).padStart(5);
    return `${name.padEnd(24)} ${percent} %  ${ran} of ${all} lines`;
  });
}

function rank(name: string): string {
  return name === 'all' ? '~' : name;
}
