// The manual pages have what the programs have, and nothing else: every command that --help leads
// to has its page, every option of it is in that page, and every setting in its section of the page
// of its file; no page has an option or a setting that is not there.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { certificateSchema, clavigerSchema } from '../../../src/config/client/schema.js';
import { accountSchema, listenSchema, settingsSchema } from '../../../src/config/daemon/schema.js';
import { policySchema } from '../../../src/config/daemon/policy-schema.js';
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
const MANUALS = join(ROOT, 'docs/man');
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
  return readFileSync(join(MANUALS, page), 'utf8');
}

function pageOf(words: readonly string[]): string {
  return PAGES[words.slice(0, 2).join(' ')] ?? `${words[0] ?? ''}.1`;
}

for (const program of ['claviger', 'clavigerd'] as const) {
  describe(`the manual pages of ${program}`, () => {
    let all: Help[] = [];

    before(async () => {
      all = await helpOfAll(program);
    });

    it('name every command and every option', () => {
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

    it('name no option that is not there', () => {
      const options = new Map<string, Set<string>>();
      for (const { words, options: own } of all) {
        const page = pageOf(words);
        options.set(page, new Set([...(options.get(page) ?? []), ...own]));
      }
      assert.deepEqual(
        [...options.keys()].sort(),
        readdirSync(MANUALS).filter((name) => new RegExp(`^${program}[-.].*1$`).test(name)),
      );
      const invented = [...options].flatMap(([page, own]) =>
        [...manual(page).matchAll(/^\.(?:It|Op)\b.*?\bFl -([a-z-]+)/gm)]
          .map(([, name = '']) => name)
          .filter((name) => !own.has(name))
          .map((name) => `${page}: --${name}`),
      );
      assert.deepEqual(invented, []);
    });
  });
}

describe('the manual pages of the configuration files', () => {
  const entriesOf = (...schemas: readonly { readonly entries: object }[]): string[] =>
    schemas.flatMap((schema) => Object.keys(schema.entries));
  const sections = ['account', 'listen', 'policy'];

  for (const [page, section, settings] of [
    [
      'clavigerd.toml.5',
      'SETTINGS',
      // These have sections of their own.
      entriesOf(settingsSchema).filter((name) => !sections.includes(name)),
    ],
    ['clavigerd.toml.5', 'ACCOUNTS', entriesOf(accountSchema)],
    ['clavigerd.toml.5', 'LISTENERS', entriesOf(listenSchema)],
    ['clavigerd.toml.5', 'POLICIES', entriesOf(policySchema)],
    ['claviger.toml.5', 'DESCRIPTION', entriesOf(clavigerSchema, certificateSchema)],
  ] as const) {
    it(`${page}, ${section}: has every setting and no other`, () => {
      const [, text = ''] =
        new RegExp(`^\\.Sh ${section}\\n([^]*?)^\\.Sh `, 'm').exec(manual(page)) ?? [];
      const items = [...text.matchAll(/^\.It (?:Va|Ic) (.*)$/gm)].flatMap(([, names = '']) =>
        names.split(/ , (?:Va|Ic) /),
      );
      assert.deepEqual(items.sort(), [...new Set(settings)].sort());
    });
  }

  it('clavigerd.toml.5 names its sections', () => {
    for (const section of ['[account.', '[[listen]]', '[policy.']) {
      assert.ok(manual('clavigerd.toml.5').includes(section), section);
    }
  });
});
