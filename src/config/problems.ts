// Every problem of a configuration at once, each with file, line and key. Pure.

import { AppError } from '../lib/errors.js';
import { lineOfKey } from './lines.js';

interface ConfigProblem {
  /** The setting, dotted, `listen.0.mode`; undefined for a problem of the whole file. */
  readonly key?: string | undefined;
  readonly problem: string;
  /** True where the setting was given on the command line: the key is the option's name. */
  readonly isOption?: boolean;
}

/** Collects problems and turns them into one error. */
export class ProblemList {
  readonly #source: string;
  readonly #text: string;
  readonly #problems: ConfigProblem[] = [];

  /**
   * @param source what the settings came from, a file's path for instance; @param text its content.
   */
  constructor(source: string, text: string) {
    this.#source = source;
    this.#text = text;
  }

  add(problem: ConfigProblem): void {
    this.#problems.push(problem);
  }

  /**
   * @throws AppError CONFIG_INVALID with one line a problem, `file:line: key: problem`, if there is
   *   any.
   */
  throwIfAny(): void {
    if (this.#problems.length > 0) {
      const located = this.#problems.map((problem) => ({
        ...problem,
        line:
          problem.key === undefined || problem.isOption === true
            ? undefined
            : lineOfKey(this.#text, problem.key),
      }));
      located.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
      throw new AppError('CONFIG_INVALID', located.map((p) => this.#format(p)).join('\n'));
    }
  }

  #format(located: ConfigProblem & { line: number | undefined }): string {
    const { key, line, problem, isOption = false } = located;
    if (isOption) {
      return `command line: --${key ?? ''}: ${problem}`;
    }
    const place = line === undefined ? this.#source : `${this.#source}:${line}`;
    return `${place}: ${key === undefined ? '' : `${shownKey(key)}: `}${problem}`;
  }
}

/** Of these sections the second part of a key is a name, even where it looks like a number. */
const NAMED_SECTIONS: ReadonlySet<string> = new Set(['account', 'policy']);

/** A key as people count: `listen.0.mode` is `listen 1: mode`, `contact.1` is `contact 2`. */
function shownKey(key: string): string {
  const [first = '', ...others] = key.split('.');
  let shown = first;
  let separator = '.';
  for (const [at, part] of others.entries()) {
    const isName = at === 0 && NAMED_SECTIONS.has(first);
    const isPlace = !isName && /^\d+$/.test(part);
    shown += isPlace ? ` ${Number(part) + 1}` : `${separator}${part}`;
    separator = isPlace ? ': ' : '.';
  }
  return shown;
}
