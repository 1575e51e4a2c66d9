// The manual pages are complete: every command that --help leads to has its page, every option of it
// is in that page, and every setting in the page of its file.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { clavigerSchema } from '../../../src/config/client/schema.js';
import { accountSchema, listenSchema, settingsSchema } from '../../../src/config/daemon/schema.js';
import { policySchema } from '../../../src/config/daemon/policy-settings.js';
import { runCommand } from '../../support/process.js';
import { CLAVIGER, CLAVIGERD, ROOT } from '../../support/programs.js';

const PROGRAMS = { claviger: CLAVIGER, clavigerd: CLAVIGERD } as const;
/** Groups of commands with a page of their own. */
const PAGES: Readonly<Record<string, string>> = {
  'clavigerd key': 'clavigerd-key.1',
  'clavigerd pin': 'clavigerd-pin.1',
  'clavigerd audit': 'clavigerd-audit.1',
  'clavigerd policy': 'clavigerd-policy.1',
};
const MOST_COMMANDS = 100;

interface Help {
  readonly words: readonly string[];
  readonly options: readonly string[];
}

/** Every command below a program, found by following the help from one to the next. */
async function helpOfAll(program: keyof typeof PROGRAMS): Promise<Help[]> {
  const found: Help[] = [];
  const waiting: string[][] = [[program]];
  for (let words = waiting.shift(); words !== undefined; words = waiting.shift()) {
    assert.ok(found.length < MOST_COMMANDS, 'the help ends');
    const args = [PROGRAMS[program], ...words.slice(1), '--help'];
    const { code, stdout } = await runCommand(process.execPath, args);
    assert.equal(code, 0, words.join(' '));
    const [, commands = ''] = /^Commands:\n((?: .*\n)+)/m.exec(stdout) ?? [];
    const names = [...commands.matchAll(/^ {2}(\w[\w-]*)/gm)].map(([, name = '']) => name);
    const path = words;
    waiting.push(...names.filter((name) => name !== 'help').map((name) => [...path, name]));
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(
      ([, name = '']) => name,
    );
    found.push({ words, options });
  }
  return found;
}

function manual(page: string): string {
  return readFileSync(join(ROOT, 'docs/man', page), 'utf8');
}

function pageOf(words: readonly string[]): string {
  return PAGES[words.slice(0, 2).join(' ')] ?? `${words[0] ?? ''}.1`;
}

for (const program of ['claviger', 'clavigerd'] as const) {
  describe(`the manual pages of ${program}`, () => {
    it('name every command and every option', async () => {
      const all = await helpOfAll(program);
      assert.ok(all.length > 5, 'the help leads to commands');
      const missing = all.flatMap(({ words, options }) => {
        const page = manual(pageOf(words));
        const name = words.at(-1) ?? '';
        const isNamed =
          words.length === 1 ||
          new RegExp(`^\\.(?:It Cm|Nm|Op|Ic) .*\\b${name}\\b`, 'm').test(page);
        return [
          ...(isNamed ? [] : [`${pageOf(words)}: ${words.join(' ')}`]),
          ...options
            .filter((option) => option !== 'help' && !new RegExp(`Fl -${option}\\b`).test(page))
            .map((option) => `${pageOf(words)}: ${words.join(' ')} --${option}`),
        ];
      });
      assert.deepEqual(missing, []);
    });
  });
}

describe('the manual pages of the configuration files', () => {
  const schemas = {
    'clavigerd.toml.5': [settingsSchema, accountSchema, listenSchema, policySchema],
    'claviger.toml.5': [clavigerSchema],
  };
  for (const [page, [...found]] of Object.entries(schemas)) {
    it(`${page} names every setting`, () => {
      const text = manual(page);
      const settings = found.flatMap((schema) => Object.keys(schema.entries));
      const missing = settings.filter(
        (name) =>
          !new RegExp(`^\\.(?:It|Ss|Sh) .*\\b${name}\\b|\\[\\[${name}\\]\\]`, 'm').test(text),
      );
      assert.deepEqual(missing, []);
    });
  }
});
