// `npm run coverage`: which lines of src the tests run, in their own processes and in the programs
// that they start, by folder. `npm run coverage -- unit/` takes these test files alone. Programs
// that are killed, or get no environment from the test, say nothing of what they ran.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { runCommand } from '../support/process.js';
import { ROOT } from '../support/programs.js';
import { addLines, formatFolders, mapLines, type Lines } from './line-coverage.js';

const RUN_TIMEOUT_MS = 2_700_000;
const COMPILED = join(ROOT, 'dist/src');

const range = v.object({ startOffset: v.number(), endOffset: v.number(), count: v.number() });
const script = v.object({
  url: v.string(),
  functions: v.array(v.object({ ranges: v.array(range) })),
});
const report = v.object({ result: v.array(script) });
const sourceMap = v.object({
  version: v.number(),
  sources: v.array(v.string()),
  names: v.array(v.string()),
  mappings: v.string(),
});

/** The lines of a compiled or bundled file that come from src; none where it has no map. */
function readMapped(file: string): ReturnType<typeof mapLines> {
  if (!existsSync(`${file}.map`)) {
    return [];
  }
  const payload = v.parse(sourceMap, JSON.parse(readFileSync(`${file}.map`, 'utf8')));
  const map = new SourceMap({ file, sourceRoot: '', sourcesContent: [], ...payload });
  return mapLines(readFileSync(file, 'utf8'), map)
    .map((line) => ({ ...line, source: relative(ROOT, resolve(dirname(file), line.source)) }))
    .filter(({ source }) => source.startsWith('src/') && existsSync(join(ROOT, source)));
}

function sumReports(folder: string): Lines {
  const lines: Lines = new Map();
  const mappedOf = new Map<string, ReturnType<typeof mapLines>>();
  const mapped = (file: string): ReturnType<typeof mapLines> => {
    const known = mappedOf.get(file) ?? readMapped(file);
    mappedOf.set(file, known);
    return known;
  };
  for (const name of readdirSync(COMPILED, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.js')) {
      addLines(lines, mapped(join(COMPILED, name)), undefined);
    }
  }
  for (const name of readdirSync(folder)) {
    const { result } = v.parse(report, JSON.parse(readFileSync(join(folder, name), 'utf8')));
    for (const coverage of result) {
      if (/\/dist\/(src|bin)\//.test(coverage.url)) {
        addLines(lines, mapped(fileURLToPath(coverage.url)), coverage);
      }
    }
  }
  return lines;
}

async function main(filters: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'cvcoverage-'));
  try {
    const wanted = filters.length === 0 ? ['unit/', 'property/', 'integration/'] : filters;
    const result = await runCommand(process.execPath, ['dist/test/run.js', ...wanted], {
      cwd: ROOT,
      env: { NODE_V8_COVERAGE: folder },
      timeoutMs: RUN_TIMEOUT_MS,
    });
    if (result.code !== 0) {
      process.stdout.write(result.stdout + result.stderr);
    }
    process.stdout.write(`${formatFolders(sumReports(folder)).join('\n')}\n`);
    return result.code ?? 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
