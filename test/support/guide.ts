// The configurations, commands and outputs that a page of the documentation shows, taken out of its
// text to be run and compared. Used by test processes only.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './programs.js';

interface GuideBlock {
  /** The heading before it, without its marks. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
}

/** The blocks of a page, in its order. @param path below the root of the checkout */
export function readGuide(path: string): readonly GuideBlock[] {
  const blocks: GuideBlock[] = [];
  let heading = '';
  let open: { language: string; lines: string[] } | undefined;
  for (const line of readFileSync(join(ROOT, path), 'utf8').split('\n')) {
    if (open !== undefined && line === '```') {
      blocks.push({ heading, language: open.language, text: `${open.lines.join('\n')}\n` });
      open = undefined;
    } else if (open !== undefined) {
      open.lines.push(line);
    } else if (line.startsWith('```')) {
      open = { language: line.slice(3), lines: [] };
    } else if (line.startsWith('#')) {
      heading = line.replace(/^#+ /, '');
    }
  }
  return blocks;
}

/** The blocks of that language under a heading that begins so; there must be some. */
export function blocksOf(
  blocks: readonly GuideBlock[],
  heading: string,
  language: string,
): readonly string[] {
  const found = blocks.filter(
    (block) => block.heading.startsWith(heading) && block.language === language,
  );
  assert.ok(found.length > 0, `the guide has ${language} under "${heading}"`);
  return found.map(({ text }) => text);
}

/** Replaces what is of the guide's machine by what is of the test's; each must be there. */
export function adapt(text: string, changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((changed, [from, to]) => {
    assert.ok(changed.includes(from), `the guide has ${from}`);
    return changed.replaceAll(from, to);
  }, text);
}

/** What differs from run to run: serial numbers, hashes, process IDs, dates. */
const VARYING = [
  /\b[0-9a-f]{16}\b/g,
  /\b[\w-]{43}\b/g,
  /(?<=process )\d+/g,
  /(?<=valid until ).*$/gm,
  /(?<=^id: +).*$/gm,
];

/**
 * True where a program printed what a page shows, for what varies aside; `...` in the page stands
 * for anything, line ends too.
 */
export function sameOutput(printed: string, shown: string): boolean {
  const fixed = (text: string): string =>
    VARYING.reduce((left, pattern) => left.replaceAll(pattern, '*'), text.trim());
  const parts = fixed(shown).split('...');
  const pattern = parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('[^]*');
  return new RegExp(`^${pattern}$`).test(fixed(printed));
}
