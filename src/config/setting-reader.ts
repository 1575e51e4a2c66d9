// Single settings of clavigerd.toml to values. What is wrong with one is noted, and the others are read all the
// same, so that every problem is told at once. Pure.

import { assertProgramName, splitCommand } from '../lib/command-words.js';
import { AppError, messageOf } from '../lib/errors.js';
import type { ProblemList } from './problems.js';
import { expandSpecifiers, type SpecifierValues } from './specifiers.js';
import { checkSettings, type SettingsSchema } from './toml-settings.js';
import type { InferOutput } from 'valibot';

export type Command = readonly [string, ...string[]];

/** Reads the values of one section; `''` for the top of the file. */
export class SettingReader {
  readonly #problems: ProblemList;
  readonly #specifiers: SpecifierValues;
  readonly #section: string;

  constructor(problems: ProblemList, specifiers: SpecifierValues, section = '') {
    this.#problems = problems;
    this.#specifiers = specifiers;
    this.#section = section;
  }

  /** A reader for a section below, `account.web` for instance. */
  in(section: string): SettingReader {
    return new SettingReader(this.#problems, this.#specifiers, `${this.#section}${section}.`);
  }

  /** Notes what is wrong with the section itself. */
  refuseSection(problem: string): void {
    this.#problems.add({ key: this.#section.slice(0, -1), problem });
  }

  /** Notes what is wrong with a setting of the section. */
  refuse(key: string, problem: string): void {
    this.#problems.add({ key: `${this.#section}${key}`, problem });
  }

  /** Notes what is wrong with no single setting. */
  refuseAll(problem: string): void {
    this.#problems.add({ problem });
  }

  /** The good ones of the section's settings. */
  check<Schema extends SettingsSchema>(
    settings: Readonly<Record<string, unknown>>,
    schema: Schema,
  ): InferOutput<Schema> {
    return checkSettings(settings, schema, ({ key, problem }) => {
      this.refuse(key, problem);
    });
  }

  /** A text with its %-specifiers replaced. */
  expand(key: string, value: string | undefined): string | undefined {
    return this.#expand(value, (problem) => {
      this.refuse(key, problem);
    });
  }

  /** The same for an option of the command line. */
  expandOption(option: string, value: string | undefined): string | undefined {
    return this.#expand(value, (problem) => {
      this.refuseAll(`--${option}: ${problem}`);
    });
  }

  /** A path that must be absolute; empty when it cannot be read. */
  path(key: string, value: string): string {
    return this.absolute(key, this.expand(key, value));
  }

  absolute(key: string, path: string | undefined): string {
    if (path?.startsWith('/') === false) {
      this.refuse(key, `${JSON.stringify(path)} is not an absolute path`);
    }
    return path ?? '';
  }

  /** Program and options; the program by a bare name or an absolute path. */
  command(key: string, text: string): Command {
    try {
      const words = splitCommand(text);
      assertProgramName(words);
      return words;
    } catch (error) {
      this.refuse(key, messageOf(error));
      return [text];
    }
  }

  #expand(value: string | undefined, onProblem: (problem: string) => void): string | undefined {
    try {
      return value === undefined ? undefined : expandSpecifiers(value, this.#specifiers);
    } catch (error) {
      const hint = error instanceof AppError && error.hint !== undefined ? ` (${error.hint})` : '';
      onProblem(`${messageOf(error)}${hint}`);
      return undefined;
    }
  }
}
