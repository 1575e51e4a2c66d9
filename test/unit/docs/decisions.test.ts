// docs/decisions: numbered without gaps, each in the index under its own title, each with the same
// three sections.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../support/programs.js';

const FOLDER = join(ROOT, 'docs/decisions');
const NAMES = readdirSync(FOLDER)
  .filter((name) => name !== 'README.md')
  .sort();

function read(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8');
}

describe('docs/decisions', () => {
  it('has unique, consecutive numbers and slugs in kebab case', () => {
    for (const [at, name] of NAMES.entries()) {
      assert.match(name, /^\d{4}(-[a-z0-9]+)+\.md$/);
      assert.equal(Number(name.slice(0, 4)), at + 1, name);
    }
  });

  it('has in its index each decision once, by its title, and nothing else', () => {
    const listed = [...read('README.md').matchAll(/^- \[(\d{4})\]\((.+?)\) (.*)$/gm)].map(
      ([, number, name, title]) => `${name ?? ''}: ${number ?? ''}. ${title ?? ''}`,
    );
    const present = NAMES.map((name) => `${name}: ${/^# (.*)\n/.exec(read(name))?.[1] ?? ''}`);
    assert.deepEqual(listed.sort(), present);
  });

  it('has in each decision its context, the decision and the consequence', () => {
    for (const name of NAMES) {
      const sections = [...read(name).matchAll(/^## (.*)\n\n(?=[^#\s])/gm)].map(
        ([, title]) => title,
      );
      assert.deepEqual(sections, ['Context', 'Decision', 'Consequence'], name);
    }
  });
});
