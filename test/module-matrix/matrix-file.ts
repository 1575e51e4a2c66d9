// docs/module-matrix.md: a part written by hand, the table of what ran, and what the profiles say.
// Used by the tests, which compare it with what they see, and by `npm run matrix`, which writes it
// anew.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { moduleProfiles } from '../../src/keys/pkcs11/module-profile.js';
import { KEY_TYPES } from '../../src/token/messages.js';
import { ROOT } from '../support/programs.js';

export const MATRIX_FILE = join(ROOT, 'docs', 'module-matrix.md');

/** What came of each key type, by module. */
export type Matrix = ReadonlyMap<string, Readonly<Record<string, string>>>;

const BEGIN = '<!-- begin: written by npm run matrix -->';
const END = '<!-- end: written by npm run matrix -->';
const TITLES: Readonly<Record<(typeof KEY_TYPES)[number], string>> = {
  rsa2048: 'RSA-2048',
  rsa3072: 'RSA-3072',
  rsa4096: 'RSA-4096',
  p256: 'P-256',
  p384: 'P-384',
  p521: 'P-521',
  ed25519: 'Ed25519',
  ed448: 'Ed448',
};

/** The table of the committed file; empty where there is none. */
export function readMatrix(): Matrix {
  const lines = partOf(readFileSync(MATRIX_FILE, 'utf8')).split('\n');
  const rows = lines.filter((line) => line.startsWith('| `'));
  return new Map(
    rows.map((line) => {
      const [, name = '', ...cells] = line.split('|').map((cell) => cell.trim());
      const row = Object.fromEntries(KEY_TYPES.map((type, at) => [type, cells[at] ?? '']));
      return [name.replaceAll('`', ''), row];
    }),
  );
}

function partOf(text: string): string {
  return text.slice(text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END));
}

/** The whole file with another table in it. */
export function formatMatrixFile(text: string, matrix: Matrix): string {
  const before = text.slice(0, text.indexOf(BEGIN) + BEGIN.length);
  const after = text.slice(text.indexOf(END));
  return `${before}\n\n${[...formatTable(matrix), '', ...formatProfiles()].join('\n')}\n\n${after}`;
}

function formatTable(matrix: Matrix): string[] {
  const head = ['module-name', ...KEY_TYPES.map((type) => TITLES[type])];
  const rows = moduleProfiles()
    .filter(({ name }) => matrix.has(name))
    .map(({ name }) => [`\`${name}\``, ...KEY_TYPES.map((type) => matrix.get(name)?.[type] ?? '')]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

function formatProfiles(): string[] {
  return moduleProfiles()
    .flatMap((profile) => [
      `### \`${profile.name}\`: ${profile.title}${profile.tested ? '' : ' (untested)'}`,
      '',
      ...factsOf(profile).map((fact) => `- ${fact}`),
      '',
    ])
    .slice(0, -1);
}

function factsOf(profile: ReturnType<typeof moduleProfiles>[number]): string[] {
  const { packages, helpers, environment, notes, sources } = profile;
  const from = Object.entries(packages).map(([system, name]) => `${system}: ${name}`);
  return [
    `Comes with ${from.join('; ')}.`,
    `Helper processes: ${helpers}.`,
    ...(environment.length === 0
      ? []
      : [`Variables: ${environment.map((name) => `\`${name}\``).join(', ')}.`]),
    ...notes,
    `See ${sources.map((source) => `<${source}>`).join(', ')}.`,
  ];
}
