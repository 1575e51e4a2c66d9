// TOML text to a plain record, bounded, before a schema looks at it. Pure.

import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { AppError, messageOf } from '../lib/errors.js';
import { ProblemList } from './problems.js';

/** Largest configuration file read; the caller's read enforces it too. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/** A table of settings; nothing else may be in the file. */
export type SettingsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/**
 * Parses TOML and checks it against a strict schema.
 * @param source what to call the text in errors: the file's path.
 * @throws AppError CONFIG_INVALID with every problem: syntax, duplicate keys (a TOML error), unknown
 *   keys, wrong types.
 */
export function parseTomlSettings<Schema extends SettingsSchema>(
  source: string,
  text: string,
  schema: Schema,
): v.InferOutput<Schema> {
  const table = readToml(source, text);
  const result = v.safeParse(schema, table);
  if (result.success) {
    return result.output;
  }
  const problems = new ProblemList(source, text);
  // valibot stops at the first unknown key; people want to see all.
  for (const key of Object.keys(table).filter((name) => !Object.hasOwn(schema.entries, name))) {
    problems.add({ key, problem: 'unknown setting' });
  }
  for (const issue of result.issues.filter(({ expected }) => expected !== 'never')) {
    problems.add({ key: v.getDotPath(issue) ?? undefined, problem: describeIssue(issue) });
  }
  problems.throwIfAny();
  throw new AppError('CONFIG_INVALID', `${source}: not valid`);
}

function readToml(source: string, text: string): object {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof TomlError) {
      const firstLine = error.message.split('\n', 1)[0] ?? 'not valid TOML';
      throw new AppError('CONFIG_INVALID', `${source}:${error.line}: ${firstLine}`, {
        cause: error,
      });
    }
    throw new AppError('CONFIG_INVALID', `${source}: ${messageOf(error)}`, { cause: error });
  }
}

function describeIssue(issue: v.BaseIssue<unknown>): string {
  // The received value may be a secret put at the wrong place: only its type is told.
  return issue.message.startsWith('Invalid ')
    ? `expected ${issue.expected ?? 'another value'}, got ${typeof issue.input}`
    : issue.message;
}
