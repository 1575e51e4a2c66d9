// The checks that need no test file: lint, formatting, manual pages, shell scripts. Used by the
// runner only. The type check is the build itself, which the set-up does and which fails on any
// error.

import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './process.js';

const CHECK_TIMEOUT_MS = 300_000;
const MANUALS = 'docs/man';
/** Folders of other people's files, and of made ones. */
const NOT_OURS = /^(node_modules|dist|\.git|\.cache)$/;
const SHEBANG_OF_SHELL = /^#!.*\b(ba|da|k)?sh\b/;
/** More than a first line that names a shell has. */
const FIRST_BYTES = 128;

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
    checkScripts(),
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

async function checkScripts(): Promise<CheckResult> {
  const scripts = await shellScripts('.');
  if (scripts.length === 0) {
    return { name: 'shell scripts', passed: false, output: 'no shell script found' };
  }
  return await check(`shell scripts (${scripts.join(', ')})`, 'shellcheck', scripts);
}

/** The files below a folder that are shell scripts by their name or by their first line. */
export async function shellScripts(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !NOT_OURS.test(entry.name)) {
      found.push(...(await shellScripts(path)));
    } else if (entry.isFile() && (/\.(ba)?sh$/.test(entry.name) || (await beginsAsShell(path)))) {
      found.push(path);
    }
  }
  return found.sort();
}

async function beginsAsShell(path: string): Promise<boolean> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_BYTES), 0, FIRST_BYTES, 0);
  return SHEBANG_OF_SHELL.test(buffer.toString('latin1', 0, bytesRead).split('\n', 1)[0] ?? '');
}
