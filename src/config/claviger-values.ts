// Single settings of claviger.toml and the command line to values. What is wrong with one is noted,
// and the others are read all the same. Pure.

import { AppError, messageOf } from '../lib/errors.js';
import type { ProblemList } from './problems.js';
import { expandSpecifiers, type SpecifierValues } from './specifiers.js';

/** Reads values and collects what is wrong with them. */
export class ValueReader {
  readonly #problems: ProblemList;
  readonly #specifiers: SpecifierValues;

  constructor(problems: ProblemList, specifiers: SpecifierValues) {
    this.#problems = problems;
    this.#specifiers = specifiers;
  }

  refuse(problem: string): void {
    this.#problems.add({ problem });
  }

  /** @throws AppError CONFIG_INVALID for an unknown specifier or one without a value */
  expand(text: string): string {
    return expandSpecifiers(text, this.#specifiers);
  }

  path(key: string, value: string | undefined): string | undefined {
    return value === undefined ? undefined : this.attempt(key, undefined, () => this.expand(value));
  }

  /** What `read` gives; when it throws, that is a problem of `key`, and the fallback goes on. */
  attempt<T>(key: string, fallback: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const hint = error instanceof AppError && error.hint !== undefined ? ` (${error.hint})` : '';
      this.refuse(`${key}: ${messageOf(error)}${hint}`);
      return fallback;
    }
  }
}
