// TOML text to a plain record, bounded, before a schema looks at it. Pure.

import { parse, TomlError } from 'smol-toml';
import * as v from 'valibot';
import { AppError, messageOf } from '../lib/errors.js';
import { nearestName } from '../lib/nearest-name.js';
import type { ProblemList } from './problems.js';
import { isTable } from './setting-types.js';

/** Largest configuration file read; the caller's read enforces it too. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/** A table of settings; nothing else may be in the file. */
export type SettingsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/**
 * Parses TOML and checks it against a strict schema. Unknown keys and wrong types go to `problems`;
 * what is left of them comes back, so that its values can be looked at in the same pass.
 * @param source what to call the text in errors: the file's path.
 * @throws AppError CONFIG_INVALID for a syntax error, to which TOML counts a key given twice.
 */
export function parseTomlSettings<Schema extends SettingsSchema>(
  source: string,
  text: string,
  schema: Schema,
  problems: ProblemList,
): v.InferOutput<Schema> {
  return checkSettings(readToml(source, text), schema, ({ key, problem }) => {
    problems.add({ key, problem });
  });
}

/** What is wrong with a setting: its name, the place in it (`contact.0`), and a sentence. */
interface SettingProblem {
  readonly setting: string;
  readonly key: string;
  readonly problem: string;
}

/** Checks each setting by itself against a strict schema; the good ones come back. */
export function checkSettings<Schema extends SettingsSchema>(
  settings: Readonly<Record<string, unknown>>,
  schema: Schema,
  onProblem: (problem: SettingProblem) => void,
): v.InferOutput<Schema> {
  const good: Record<string, unknown> = {};
  for (const [setting, value] of Object.entries(settings)) {
    const entry = Object.hasOwn(schema.entries, setting) ? schema.entries[setting] : undefined;
    if (entry === undefined) {
      onProblem({ setting, key: setting, problem: describeUnknown(setting, schema) });
      continue;
    }
    const inner = sectionSchemaOf(entry);
    if (inner !== undefined && isTable(value)) {
      const problems: SettingProblem[] = [];
      const read = checkSettings(value, inner, (problem) => problems.push(problem));
      problems.forEach(({ key, problem }) => {
        onProblem({ setting, key: `${setting}.${key}`, problem });
      });
      if (problems.length === 0) {
        good[setting] = read;
      }
      continue;
    }
    const result = v.safeParse(v.object({ [setting]: entry }), { [setting]: value });
    if (result.success) {
      good[setting] = value;
    }
    for (const issue of result.issues ?? []) {
      const key = v.getDotPath(issue) ?? setting;
      onProblem({ setting, key, problem: describeIssue(issue) });
    }
  }
  return v.parse(schema, good);
}

/** The schema of a table below a setting: it is checked setting by setting too. */
function sectionSchemaOf(entry: v.ObjectEntries[string]): SettingsSchema | undefined {
  const schema = v.is(v.object({ wrapped: v.any() }), entry) ? (entry.wrapped as unknown) : entry;
  return isSettingsSchema(schema) ? schema : undefined;
}

function isSettingsSchema(schema: unknown): schema is SettingsSchema {
  return isTable(schema) && schema['type'] === 'strict_object';
}

function describeUnknown(setting: string, schema: SettingsSchema): string {
  const meant = nearestName(setting, Object.keys(schema.entries));
  return meant === undefined ? 'unknown setting' : `unknown setting; is ${meant} meant?`;
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
  // The received value may be a secret in the wrong place: the message has its type alone.
  if (!issue.message.startsWith('Invalid ')) {
    return issue.message;
  }
  return `expected ${issue.expected ?? 'another value'}, got ${typeName(issue.input)}`;
}

function typeName(value: unknown): string {
  return Array.isArray(value) ? 'an array' : value instanceof Date ? 'a date' : typeof value;
}
