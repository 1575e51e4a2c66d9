// What single settings of clavigerd.toml and claviger.toml may be: texts, numbers, tables, names.
// Pure. A message is the end of a sentence about the setting, and never shows the value that was
// read: it may be a secret.

import * as v from 'valibot';

const MAX_TEXTS = 10_000;

/** What accounts and policies are called: rules, records and the log show it without quotes. */
const SECTION_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
export const SECTION_NAME_RULE = 'has 1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit';

export type Table = Readonly<Record<string, unknown>>;

const text = v.pipe(v.string(), v.minLength(1, 'must not be empty'));
export const printable = v.pipe(text, v.regex(/^[^\p{Cc}]*$/u, 'must not have control characters'));
/** The texts may be empty: the code that reads them decides what that means. */
export const texts = v.pipe(
  v.array(v.pipe(v.string(), v.regex(/^[^\p{Cc}]*$/u, 'must not have control characters'))),
  v.maxLength(MAX_TEXTS, `must have at most ${MAX_TEXTS} entries`),
);
export const table = v.custom<Table>(isTable, 'must be a table');

/** A whole number. @param unit ` of seconds`, for the message */
export function count(most: number, unit = '', least = 1): v.GenericSchema<number, number> {
  return v.pipe(
    v.number(),
    v.integer(`must be a whole number${unit}`),
    v.minValue(least, `must be at least ${least}`),
    v.maxValue(most, `must be at most ${most}`),
  );
}

/** A time of at most so many seconds. */
export function seconds(most: number, least = 1): v.GenericSchema<number, number> {
  return count(most, ' of seconds', least);
}

export const HOUR_SECONDS = 3600;
export const DAY_SECONDS = 24 * HOUR_SECONDS;

/** Files have seconds, the code has milliseconds. */
export function inMs<T extends number | undefined>(time: T): T extends number ? number : T;
export function inMs(time: number | undefined): number | undefined {
  return time === undefined ? undefined : time * 1000;
}

export function isSectionName(name: string): boolean {
  return SECTION_NAME.test(name);
}

export function isTable(value: unknown): value is Table {
  // TOML has two more that are objects: arrays and dates.
  const isObject = typeof value === 'object' && value !== null;
  return isObject && !Array.isArray(value) && !(value instanceof Date);
}
