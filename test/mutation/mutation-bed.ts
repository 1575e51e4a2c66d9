// A copy of the compiled tree in which a file is replaced by one mutant after the other, and the
// tests that load it are run. Used by `npm run mutation`; it changes nothing outside its own
// folder.

import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

/** A mutant that loops has to end: its tests get `FACTOR` times their usual time, and this. */
const SLACK_MS = 5_000;
const FACTOR = 4;
const REHEARSAL_MS = 120_000;
/** What the tests read besides the compiled tree. */
const DATA = ['native-config', 'docs', 'systemd', 'test/golden', 'test/fixtures'];

export type Outcome = 'killed' | 'timeout' | 'survived';

interface Rehearsed {
  /** Below the root: `test/unit/lib/x.test.ts`. */
  readonly test: string;
  readonly usualMs: number;
}

export class MutationBed {
  readonly #folder = mkdtempSync(join(tmpdir(), 'claviger-mutation-'));
  readonly #options: ts.CompilerOptions;

  constructor(options: ts.CompilerOptions) {
    this.#options = options;
    for (const name of ['dist/src', 'dist/test', ...DATA]) {
      mkdirSync(dirname(join(this.#folder, name)), { recursive: true });
      cpSync(name, join(this.#folder, name), { recursive: true });
    }
    symlinkSync(resolve('node_modules'), join(this.#folder, 'node_modules'));
    cpSync('package.json', join(this.#folder, 'package.json'));
  }

  /** Compiles a source in place of a file of the tree. `path` is below the root: `src/lib/x.ts`. */
  replace(path: string, source: string): void {
    const { outputText } = ts.transpileModule(source, { compilerOptions: this.#options });
    writeFileSync(join(this.#folder, 'dist', path.replace(/\.ts$/, '.js')), outputText);
  }

  /** Runs the tests without a mutant. @returns those that pass, with the time each took */
  async rehearse(tests: readonly string[]): Promise<readonly Rehearsed[]> {
    const passing: Rehearsed[] = [];
    for (const test of tests) {
      const began = Date.now();
      if ((await this.#run(test, REHEARSAL_MS)) === 'survived') {
        passing.push({ test, usualMs: Date.now() - began });
      }
    }
    return passing;
  }

  /** Runs the tests until one fails. */
  async judge(tests: readonly Rehearsed[]): Promise<Outcome> {
    for (const { test, usualMs } of tests) {
      const outcome = await this.#run(test, usualMs * FACTOR + SLACK_MS);
      if (outcome !== 'survived') {
        return outcome;
      }
    }
    return 'survived';
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #run(test: string, timeoutMs: number): Promise<Outcome> {
    const file = join('dist', test.replace(/\.ts$/, '.js'));
    const child = spawn(process.execPath, ['--max-old-space-size=1024', file], {
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return await new Promise((settle, fail) => {
      // The first failure is enough: the other tests of the file need not run.
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (/^ *not ok /m.test(text)) {
          child.kill('SIGKILL');
        }
      });
      const clock = setTimeout(() => {
        child.kill('SIGKILL');
        settle('timeout');
      }, timeoutMs);
      child.once('error', fail);
      child.once('close', (code) => {
        clearTimeout(clock);
        settle(code === 0 ? 'survived' : 'killed');
      });
    });
  }
}
