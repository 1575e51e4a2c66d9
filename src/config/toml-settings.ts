// TOML text to a plain record, bounded, before a schema looks at it. Pure.

import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { AppError, messageOf } from '../lib/errors.js';
import { ProblemList } from './problems.js';

/** Largest configuration file read; the caller's read enforces it too. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Parses TOML and checks it against a strict schema.
 * @param source what to call the text in errors: the file's path.
 * @throws AppError CONFIG_INVALID with every problem: syntax, duplicate keys (a TOML error), unknown
 *   keys, wrong types.
 */
export function parseTomlSettings<Schema extends v.GenericSchema>(
  source: string,
  text: string,
  schema: Schema,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, readToml(source, text));
  if (result.success) {
    return result.output;
  }
  const problems = new ProblemList(source, text);
  for (const issue of result.issues) {
    const key = v.getDotPath(issue) ?? undefined;
    problems.add({ key, problem: describeIssue(issue) });
  }
  problems.throwIfAny();
  throw new AppError('CONFIG_INVALID', `${source}: not valid`);
}

function readToml(source: string, text: string): unknown {
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
  if (issue.expected === 'never') {
    return 'unknown setting';
  }
  // The received value may be a secret put at the wrong place: only its type is told.
  return issue.message.startsWith('Invalid ')
    ? `expected ${issue.expected ?? 'another value'}, got ${typeof issue.input}`
    : issue.message;
}
