// Reads the values of single settings, for clavigerd.toml and claviger.toml and for the options
// that stand in their place. Pure. A wrong value goes to the list of problems with the place where
// it is written, and reading goes on: the user sees every problem at once.

import { assertProgramName, splitCommand } from '../lib/command-words.js';
import { AppError, messageOf } from '../lib/errors.js';
import type { ProblemList } from './problems.js';
import { expandSpecifiers, type SpecifierValues } from './specifiers.js';
import { checkSettings, type SettingsSchema } from './toml-settings.js';
import type { InferOutput } from 'valibot';

export type Command = readonly [string, ...string[]];

interface StateDirectoryPlaces {
  readonly named: string | undefined;
  /** STATE_DIRECTORY of systemd.exec(5). */
  readonly ofService: string | undefined;
  readonly fallback: string;
}

/** Reads the values of one section; `''` for the top of the file. */
export class SettingReader {
  readonly #problems: ProblemList;
  readonly #specifiers: SpecifierValues;
  readonly #section: string;
  readonly #options: ReadonlySet<string>;

  /** @param options the settings of the top that the command line gives, and not the file. */
  constructor(
    problems: ProblemList,
    specifiers: SpecifierValues,
    options: ReadonlySet<string> = new Set(),
    section = '',
  ) {
    this.#problems = problems;
    this.#specifiers = specifiers;
    this.#section = section;
    this.#options = options;
  }

  /** A reader for a section below, `account.web` for instance. */
  in(section: string): SettingReader {
    const path = `${this.#section}${section}.`;
    return new SettingReader(this.#problems, this.#specifiers, this.#options, path);
  }

  /** Adds a problem of the section itself. */
  refuseSection(problem: string): void {
    this.#problems.add({ key: this.#section.slice(0, -1), problem });
  }

  /** Adds a problem of a setting of the section, or of the option that stands in its place. */
  refuse(key: string, problem: string): void {
    const isOption = this.#section === '' && this.#options.has(key);
    this.#problems.add({ key: `${this.#section}${key}`, problem, isOption });
  }

  /** Adds a problem of an option of the command line. */
  refuseOption(key: string, problem: string): void {
    this.#problems.add({ key, problem, isOption: true });
  }

  /** The settings of the section that pass the schema; the others are problems. */
  check<Schema extends SettingsSchema>(
    settings: Readonly<Record<string, unknown>>,
    schema: Schema,
  ): InferOutput<Schema> {
    return checkSettings(settings, schema, ({ key, problem }) => {
      this.refuse(key, problem);
    });
  }

  /** A text with its %-specifiers replaced; undefined also where that fails. */
  expand(key: string, value: string | undefined): string | undefined {
    return value === undefined
      ? undefined
      : this.attempt(key, undefined, () => expandSpecifiers(value, this.#specifiers));
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

  /**
   * The folder for what is kept between two runs: the one the setting names, else the one systemd
   * made for the service, else the default; undefined for a user without a home.
   */
  stateDirectory(places: StateDirectoryPlaces): string | undefined {
    const { named, ofService, fallback } = places;
    if (named !== undefined) {
      return this.path('state-directory', named);
    }
    const hasDefault = this.#specifiers.get('S') !== undefined;
    return ofService ?? (hasDefault ? this.expand('state-directory', fallback) : undefined);
  }

  /** Program and options; the program by a bare name or an absolute path. */
  command(key: string, text: string): Command {
    return this.attempt<Command>(key, [text], () => {
      const words = splitCommand(text);
      assertProgramName(words);
      return words;
    });
  }

  /** Program and options, the %-specifiers of each word replaced. */
  expandedCommand(key: string, text: string): Command {
    return this.attempt<Command>(key, [text], () => {
      const [program, ...rest] = splitCommand(text);
      const expand = (word: string): string => expandSpecifiers(word, this.#specifiers);
      return [expand(program), ...rest.map(expand)];
    });
  }

  /** What `read` returns; when it throws, that is a problem of `key`, and the fallback is used. */
  attempt<T>(key: string, fallback: T, read: () => T): T {
    try {
      return read();
    } catch (error) {
      const hint = error instanceof AppError && error.hint !== undefined ? ` (${error.hint})` : '';
      this.refuse(key, `${messageOf(error)}${hint}`);
      return fallback;
    }
  }
}
