// Every problem of a configuration at once, each with file, line and key. Pure.

import { AppError } from '../lib/errors.js';
import { lineOfKey } from './config-lines.js';

export interface ConfigProblem {
  /** The setting, or undefined for a problem of the whole file. */
  readonly key?: string | undefined;
  readonly problem: string;
  /** Where the problem is, when that is not the file. */
  readonly source?: string;
}

/** Collects problems and turns them into one error. */
export class ProblemList {
  readonly #source: string;
  readonly #text: string;
  readonly #problems: ConfigProblem[] = [];

  /** @param source what the settings came from, a file's path for instance; @param text its content. */
  constructor(source: string, text: string) {
    this.#source = source;
    this.#text = text;
  }

  add(problem: ConfigProblem): void {
    this.#problems.push(problem);
  }

  /** @throws AppError CONFIG_INVALID with one line a problem, `file:line: key: problem`, if there is any. */
  throwIfAny(): void {
    if (this.#problems.length > 0) {
      const located = this.#problems.map((problem) => ({
        ...problem,
        line: problem.key === undefined ? undefined : lineOfKey(this.#text, problem.key),
      }));
      located.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
      throw new AppError('CONFIG_INVALID', located.map((p) => this.#format(p)).join('\n'));
    }
  }

  #format(told: ConfigProblem & { line: number | undefined }): string {
    const { key, line, problem, source = this.#source } = told;
    const place = line === undefined ? source : `${source}:${line}`;
    return `${place}: ${key === undefined ? '' : `${key}: `}${problem}`;
  }
}
