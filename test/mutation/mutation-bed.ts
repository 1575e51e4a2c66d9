// A copy of the compiled tree in which one file after the other is replaced by a mutant, and the
// tests that load it are run. Used by `npm run mutation`; it changes nothing outside its own
// folder.

import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';

/** Runs before the mutants run, and what each may take then: a mutant that loops has to end. */
const SLACK_MS = 5_000;
const FACTOR = 4;

export type Outcome = 'killed' | 'timeout' | 'survived';

export class MutationBed {
  readonly #folder = mkdtempSync(join(tmpdir(), 'claviger-mutation-'));
  readonly #options: ts.CompilerOptions;

  constructor(options: ts.CompilerOptions) {
    this.#options = options;
    for (const name of ['dist/src', 'dist/test', 'native-config', 'docs', 'systemd']) {
      mkdirSync(dirname(join(this.#folder, name)), { recursive: true });
      cpSync(name, join(this.#folder, name), { recursive: true });
    }
    symlinkSync(resolve('node_modules'), join(this.#folder, 'node_modules'));
    cpSync('package.json', join(this.#folder, 'package.json'));
  }

  /** Puts a source in the place of a file of the tree. `path` is below the root: `src/lib/x.ts`. */
  replace(path: string, source: string): void {
    const { outputText } = ts.transpileModule(source, { compilerOptions: this.#options });
    writeFileSync(join(this.#folder, 'dist', path.replace(/\.ts$/, '.js')), outputText);
  }

  /** How long the tests take without a mutant. An error where they do not pass. */
  async rehearse(tests: readonly string[]): Promise<number> {
    const began = Date.now();
    for (const test of tests) {
      if ((await this.#run(test, 120_000)) !== 'survived') {
        throw new Error(`${test} does not pass without a mutant`);
      }
    }
    return Date.now() - began;
  }

  /** Runs the tests until one notices. @param usualMs what all of them take without a mutant */
  async judge(tests: readonly string[], usualMs: number): Promise<Outcome> {
    for (const test of tests) {
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
      stdio: 'ignore',
    });
    return await new Promise((settle, fail) => {
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
