// The points of time that `--since` and `--until` take. Pure. Always UTC, as the records are.

import { parseDateTime } from '../../lib/date-time.js';
import { parseDuration } from '../../lib/duration.js';
import { AppError } from '../../lib/errors.js';

const DAY = /^\d{4}-\d{2}-\d{2}$/;
/** A day and a time of it, the seconds and the offset where they are given. */
const MOMENT =
  /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?([Zz]|[+-]\d{2}:\d{2})?$/;

/**
 * `2026-11-22` (its beginning), `2026-11-22T10:00`, with seconds and an offset if wanted, or `90m`:
 * so long ago.
 * @param now in ms since 1970, as the result.
 * @throws AppError CONFIG_USAGE naming the option.
 */
export function parseTimePoint(option: string, text: string, now: number): number {
  const ago = parseDuration(text);
  const time = ago === undefined ? parseDate(text) : now - ago;
  if (time === undefined) {
    throw new AppError('CONFIG_USAGE', `${option}: ${JSON.stringify(text)} is no point of time`, {
      hint: 'as 2026-11-22, 2026-11-22T10:00:00Z, or 2h for two hours ago',
    });
  }
  return time;
}

/** Without an offset UTC is meant, as the records have it. */
function parseDate(text: string): number | undefined {
  if (DAY.test(text)) {
    return parseDateTime(`${text}T00:00:00Z`);
  }
  const [, day = '', minute = '', second = ':00', offset = 'Z'] = MOMENT.exec(text) ?? [];
  return parseDateTime(`${day}T${minute}${second}${offset.toUpperCase()}`);
}
