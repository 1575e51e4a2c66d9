// The points of time that `--since` and `--until` take. Pure. Always UTC, as the records are.

import { AppError } from '../../lib/errors.js';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})?$/;
const AGO = /^(\d{1,6})([smhd])$/;
const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/**
 * `2026-11-22` (its beginning), `2026-11-22T10:00`, with seconds and an offset if wanted, or `90m`:
 * so long ago.
 * @param now in ms since 1970, as the result.
 * @throws AppError CONFIG_USAGE naming the option.
 */
export function parseTimePoint(option: string, text: string, now: number): number {
  const [, count, unit] = AGO.exec(text) ?? [];
  const time =
    count !== undefined && unit !== undefined
      ? now - Number(count) * (UNIT_MS.get(unit) ?? Number.NaN)
      : parseDate(text);
  if (!Number.isFinite(time)) {
    throw new AppError('CONFIG_USAGE', `${option}: ${JSON.stringify(text)} is no point of time`, {
      hint: 'as 2026-11-22, 2026-11-22T10:00:00Z, or 2h for two hours ago',
    });
  }
  return time;
}

/** Without an offset UTC is meant, where Date would take the time zone of this machine. */
function parseDate(text: string): number {
  const [, , , offset] = MOMENT.exec(text) ?? [];
  const isMoment = MOMENT.test(text);
  if (!isMoment && !DAY.test(text)) {
    return Number.NaN;
  }
  const time = Date.parse(
    `${text.replace(' ', 'T')}${isMoment && offset === undefined ? 'Z' : ''}`,
  );
  // Date takes 2026-02-31 for the third of March.
  const isReal =
    !Number.isNaN(Date.parse(`${text.slice(0, 10)}T00:00:00Z`)) &&
    new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(text.slice(0, 10));
  return isReal ? time : Number.NaN;
}
