// %-specifiers in paths and keys of the configuration, as lacme-accountd has them, plus %d and %S.
// Pure: the values come in as a record, so that nothing here reads the environment.

import { AppError } from '../lib/errors.js';
import { hasControlCharacter } from '../lib/printable.js';

/** What the specifiers stand for is worked out from this; strings may be empty, as in a shell. */
export interface SpecifierEnvironment {
  readonly uid: number;
  readonly gid: number;
  readonly userName: string | undefined;
  readonly groupName: string | undefined;
  /** From the user database, not from $HOME. */
  readonly homeDirectory: string | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

export type SpecifierValues = ReadonlyMap<string, string | undefined>;

/** The table shown by `--help` and the man page. */
export const SPECIFIER_MEANINGS: readonly (readonly [string, string])[] = [
  ['%C', 'cache directory: /var/cache, or $XDG_CACHE_HOME or ~/.cache'],
  ['%d', 'systemd credentials directory: $CREDENTIALS_DIRECTORY'],
  ['%E', 'configuration directory: /etc, or $XDG_CONFIG_HOME or ~/.config'],
  ['%g', 'group name'],
  ['%G', 'group ID'],
  ['%h', 'home directory'],
  ['%S', 'state directory: /var/lib, or $XDG_STATE_HOME or ~/.local/state'],
  ['%t', 'runtime directory: /run, or $XDG_RUNTIME_DIR'],
  ['%T', 'temporary directory: $TMPDIR or /tmp'],
  ['%u', 'user name'],
  ['%U', 'user ID'],
  ['%%', 'a percent sign'],
];

export function specifierValues(environment: SpecifierEnvironment): SpecifierValues {
  const { uid, gid, variables, homeDirectory } = environment;
  const variable = (name: string): string | undefined => variables[name] || undefined;
  const underHome = (folder: string): string | undefined =>
    homeDirectory === undefined ? undefined : `${homeDirectory}/${folder}`;
  const perUser = (forRoot: string, name: string, folder: string): string | undefined =>
    uid === 0 ? forRoot : (variable(name) ?? underHome(folder));
  return new Map([
    ['C', perUser('/var/cache', 'XDG_CACHE_HOME', '.cache')],
    ['d', variable('CREDENTIALS_DIRECTORY')],
    ['E', perUser('/etc', 'XDG_CONFIG_HOME', '.config')],
    ['g', environment.groupName],
    ['G', String(gid)],
    ['h', homeDirectory],
    ['S', perUser('/var/lib', 'XDG_STATE_HOME', '.local/state')],
    ['t', uid === 0 ? '/run' : variable('XDG_RUNTIME_DIR')],
    ['T', variable('TMPDIR') ?? '/tmp'],
    ['u', environment.userName],
    ['U', String(uid)],
    ['%', '%'],
  ]);
}

/**
 * Replaces each %-specifier.
 * @throws AppError CONFIG_INVALID for an unknown specifier, a lone % at the end, or one that has no
 *   value here (%t without XDG_RUNTIME_DIR, for instance); for a control character, which no path
 *   has that somebody means.
 */
export function expandSpecifiers(text: string, values: SpecifierValues): string {
  // The `s` flag and the empty alternative let a trailing % be seen, and refused.
  const expanded = text.replace(/%(.|)/gsu, (specifier, letter: string) => {
    const shown = JSON.stringify(text);
    if (!values.has(letter)) {
      throw new AppError('CONFIG_INVALID', `${shown} has the unknown specifier ${specifier}`, {
        hint: 'a literal percent sign is written %%',
      });
    }
    const value = values.get(letter);
    if (value === undefined) {
      throw new AppError('CONFIG_INVALID', `${specifier} in ${shown} has no value here`, {
        hint: hintFor(letter),
      });
    }
    return value;
  });
  if (hasControlCharacter(expanded)) {
    throw new AppError('CONFIG_INVALID', `${JSON.stringify(expanded)} has a control character`);
  }
  return expanded;
}

function hintFor(letter: string): string | undefined {
  switch (letter) {
    case 't':
      return 'set XDG_RUNTIME_DIR, or name the path without %t';
    case 'd':
      return 'only systemd sets CREDENTIALS_DIRECTORY, for a unit with LoadCredential=';
    default:
      return undefined;
  }
}
