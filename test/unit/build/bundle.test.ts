import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { ROOT } from '../../support/programs.js';

const PROGRAMS = join(ROOT, 'dist/bin');

const sourceMap = v.object({
  version: v.number(),
  sources: v.array(v.string()),
  names: v.array(v.string()),
  mappings: v.string(),
});

/** The bundled file that has a line, and which line it is. */
function findInPrograms(text: string): { readonly file: string; readonly line: number } {
  for (const name of readdirSync(PROGRAMS, { recursive: true, encoding: 'utf8' })) {
    const file = join(PROGRAMS, name);
    const lines = name.endsWith('.js') ? readFileSync(file, 'utf8').split('\n') : [];
    const line = lines.findIndex((candidate) => candidate.includes(text));
    if (line !== -1) {
      return { file, line };
    }
  }
  throw new Error(`no program has ${text}`);
}

function readMap(file: string): SourceMap {
  const payload = v.parse(sourceMap, JSON.parse(readFileSync(`${file}.map`, 'utf8')));
  return new SourceMap({ file, sourceRoot: '', sourcesContent: [], ...payload });
}

describe('the bundled programs', () => {
  for (const [text, source] of [
    ['function isAppError(', 'src/lib/errors.ts'],
    ['async function runClient(', 'src/cli/client/run.ts'],
    ['var ServerSession = class', 'src/protocol/server-session.ts'],
  ] as const) {
    it(`lead a stack trace to the TypeScript of ${source}`, () => {
      const { file, line } = findInPrograms(text);
      const map = readMap(file);
      const entry = map.findEntry(line, text.length);
      assert.ok('originalSource' in entry);
      const original = resolve(dirname(file), entry.originalSource);
      assert.equal(relative(ROOT, original), source);
      const [, name = ''] = /(\w+)(?:\(| =)/.exec(text) ?? [];
      const found = readFileSync(original, 'utf8').split('\n')[entry.originalLine] ?? '';
      assert.ok(found.includes(name), found);
    });
  }
});
