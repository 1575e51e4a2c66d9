// The configurations and commands of docs/guides/restricting-clients.md, taken out of its text to
// be run. Used by test processes only.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './programs.js';

export interface GuideBlock {
  /** The heading before it, without its marks. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
}

export function readGuide(name: string): readonly GuideBlock[] {
  const blocks: GuideBlock[] = [];
  let heading = '';
  let open: { language: string; lines: string[] } | undefined;
  for (const line of readFileSync(join(ROOT, 'docs/guides', name), 'utf8').split('\n')) {
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
