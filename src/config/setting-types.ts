// What single settings of clavigerd.toml may be: texts, numbers, tables, names. Pure. A message
// begins as a sentence about the setting; the received value is never told, it may be a secret.

import * as v from 'valibot';

const DAY_SECONDS = 86_400;
const HOUR_SECONDS = 3600;
const MAX_TEXTS = 10_000;

/** What accounts and policies are called: rules, records and the log show it without quotes. */
const SECTION_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
export const SECTION_NAME_RULE = 'has 1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit';

export type Table = Readonly<Record<string, unknown>>;

export const text = v.pipe(v.string(), v.minLength(1, 'must not be empty'));
export const printable = v.pipe(text, v.regex(/^[^\p{Cc}]*$/u, 'must not have control characters'));
/** May be empty texts: whoever reads them says what that means. */
export const texts = v.pipe(
  v.array(v.pipe(v.string(), v.regex(/^[^\p{Cc}]*$/u, 'must not have control characters'))),
  v.maxLength(MAX_TEXTS, `must have at most ${MAX_TEXTS} entries`),
);
export const table = v.custom<Table>(isTable, 'must be a table');

/** A whole number from 1 on. */
export function count(most: number, unit = ''): v.GenericSchema<number, number> {
  return v.pipe(
    v.number(),
    v.integer(`must be a whole number${unit}`),
    v.minValue(1, 'must be at least 1'),
    v.maxValue(most, `must be at most ${most}`),
  );
}

/** A time of at most an hour. */
export const seconds = count(HOUR_SECONDS, ' of seconds');
export const secondsOfDay = count(DAY_SECONDS, ' of seconds');

export function isSectionName(name: string): boolean {
  return SECTION_NAME.test(name);
}

export function isTable(value: unknown): value is Table {
  // TOML has two more that are objects: arrays and dates.
  const isObject = typeof value === 'object' && value !== null;
  return isObject && !Array.isArray(value) && !(value instanceof Date);
}
