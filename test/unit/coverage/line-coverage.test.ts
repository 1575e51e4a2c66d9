import assert from 'node:assert/strict';
import { SourceMap } from 'node:module';
import { describe, it } from 'node:test';
import { addLines, formatFolders, mapLines, type Lines } from '../../coverage/line-coverage.js';

// Generated lines 0, 1 and 3 of three lines of a.ts; line 2 has no mapping.
const TEXT = 'if (a) {\n  b();\n}\nc();\n';
const MAP = new SourceMap({
  file: 'a.js',
  version: 3,
  sources: ['src/x/a.ts'],
  sourcesContent: [],
  names: [],
  mappings: 'AAAA;EACA;;AACA',
  sourceRoot: '',
});

function ranges(...list: readonly (readonly [number, number, number])[]): {
  readonly url: string;
  readonly functions: {
    readonly ranges: { startOffset: number; endOffset: number; count: number }[];
  }[];
} {
  return {
    url: 'file:///a.js',
    functions: [
      {
        ranges: list.map(([startOffset, endOffset, count]) => ({ startOffset, endOffset, count })),
      },
    ],
  };
}

describe('line coverage', () => {
  const mapped = mapLines(TEXT, MAP);

  it('knows the lines that come from TypeScript', () => {
    assert.deepEqual(
      mapped.map(({ start, end, source, line }) => [TEXT.slice(start, end), source, line]),
      [
        ['if (a) {', 'src/x/a.ts', 0],
        ['b();', 'src/x/a.ts', 1],
        ['c();', 'src/x/a.ts', 2],
      ],
    );
  });

  it('counts a line that ran in any process, and inner blocks by their own count', () => {
    const lines: Lines = new Map();
    addLines(lines, mapped, undefined);
    assert.deepEqual(formatFolders(lines)[0], 'src/x                      0.0 %  0 of 3 lines');
    addLines(lines, mapped, ranges([0, 24, 1], [7, 17, 0]));
    assert.deepEqual(
      [...(lines.get('src/x/a.ts') ?? [])],
      [
        [0, true],
        [1, false],
        [2, true],
      ],
    );
    addLines(lines, mapped, ranges([0, 24, 1]));
    assert.deepEqual(formatFolders(lines), [
      'src/x                    100.0 %  3 of 3 lines',
      'all                      100.0 %  3 of 3 lines',
    ]);
  });
});
