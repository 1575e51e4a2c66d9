// A command line split into words without a shell. Pure.
// Nothing is expanded: no variables, no wildcards, no pipes; a word is what is written.

import { AppError } from './errors.js';

// A word is a run of: '...' taken as it is; "..." with \" and \\; a backslash and the character it
// protects; anything else but blanks, quotes and backslashes.
const PIECE = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(\s+)/gsuy;

/**
 * Splits at blanks. `'...'` is literal, in `"..."` a backslash protects `"` and `\`, outside of
 * quotes it protects any character.
 * @throws AppError CONFIG_INVALID for an unclosed quote, a lone backslash at the end, or no word at
 *   all
 */
export function splitCommand(text: string): readonly [string, ...string[]] {
  const words: string[] = [];
  let word: string | undefined;
  let end = 0;
  for (const match of text.matchAll(PIECE)) {
    const [piece, single, double, escaped, plain, blank] = match;
    end = match.index + piece.length;
    if (blank === undefined) {
      word =
        (word ?? '') + (single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped ?? plain ?? '');
    } else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  if (end !== text.length) {
    throw new AppError(
      'CONFIG_INVALID',
      'the command has an unclosed quote or ends with a backslash',
    );
  }
  if (word !== undefined) {
    words.push(word);
  }
  const [program, ...rest] = words;
  if (program === undefined || program === '') {
    throw new AppError('CONFIG_INVALID', 'the command is empty');
  }
  return [program, ...rest];
}

/**
 * Checks the program of a command that is run with no working directory or search path of the
 * caller's in mind.
 * @throws AppError CONFIG_INVALID when it is a relative path
 */
export function assertProgramName([program]: readonly [string, ...string[]]): void {
  if (program.includes('/') && !program.startsWith('/')) {
    throw new AppError(
      'CONFIG_INVALID',
      'the program of the command is neither a bare name nor an absolute path',
    );
  }
}

/**
 * A word quoted for a shell, for commands in hints: the label of a token may hold any character.
 */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
