// TOML text to a plain record, bounded, before a schema looks at it. Pure.

import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { AppError, messageOf } from '../lib/errors.js';
import type { ProblemList } from './problems.js';

/** Largest configuration file read; the caller's read enforces it too. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/** A table of settings; nothing else may be in the file. */
export type SettingsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/**
 * Parses TOML and checks it against a strict schema. Unknown keys and wrong types go to `problems`; what
 * is left of them comes back, so that its values can be looked at in the same pass.
 * @param source what to call the text in errors: the file's path.
 * @throws AppError CONFIG_INVALID for a syntax error, to which TOML counts a key given twice.
 */
export function parseTomlSettings<Schema extends SettingsSchema>(
  source: string,
  text: string,
  schema: Schema,
  problems: ProblemList,
): v.InferOutput<Schema> {
  const good: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(readToml(source, text))) {
    const entry = Object.hasOwn(schema.entries, key) ? schema.entries[key] : undefined;
    if (entry === undefined) {
      problems.add({ key, problem: 'unknown setting' });
      continue;
    }
    const result = v.safeParse(v.object({ [key]: entry }), { [key]: value });
    if (result.success) {
      good[key] = value;
    }
    for (const issue of result.issues ?? []) {
      problems.add({ key: v.getDotPath(issue) ?? key, problem: describeIssue(issue) });
    }
  }
  return v.parse(schema, good);
}

function readToml(source: string, text: string): Readonly<Record<string, unknown>> {
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
