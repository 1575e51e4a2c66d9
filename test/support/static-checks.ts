// The checks that need no test file: lint, formatting, manual pages, shell syntax. Used by the
// runner only. The type check is the build itself, which the set-up does and which fails on any
// error.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './process.js';

const CHECK_TIMEOUT_MS = 300_000;
const MANUALS = 'docs/man';
const SHELL_SCRIPTS = ['test/setup.sh', '.ci/run'];

export interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
  readonly output: string;
}

/** Runs every check, at most as many at once as there are cores on a small machine. */
export async function runStaticChecks(): Promise<CheckResult[]> {
  const [lint, ...others] = [
    check('lint', process.execPath, [
      'node_modules/eslint/bin/eslint.js',
      '--max-warnings',
      '0',
      '.',
    ]),
    check('format', process.execPath, ['node_modules/prettier/bin/prettier.cjs', '--check', '.']),
    checkManuals(),
    ...SHELL_SCRIPTS.map((script) => check(`shell syntax of ${script}`, 'bash', ['-n', script])),
  ];
  return await Promise.all([lint, ...others]);
}

async function check(name: string, command: string, args: readonly string[]): Promise<CheckResult> {
  try {
    const result = await runCommand(command, args, { timeoutMs: CHECK_TIMEOUT_MS });
    return { name, passed: result.code === 0, output: result.stdout + result.stderr };
  } catch (error) {
    return { name, passed: false, output: String(error) };
  }
}

async function checkManuals(): Promise<CheckResult> {
  const pages = (await readdir(MANUALS)).filter((name) => /\.[1-8]$/.test(name));
  if (pages.length === 0) {
    return { name: 'manual pages', passed: false, output: `no manual page in ${MANUALS}` };
  }
  const paths = pages.map((page) => join(MANUALS, page));
  return await check('manual pages', 'mandoc', ['-Tlint', '-Wwarning', ...paths]);
}
