// The Retry-After header, RFC 9110 §10.2.3: a number of seconds, or a date in one of three formats.
// Pure; runs in claviger.

import type { HttpResponse } from './http.js';

const SECONDS = /^\d{1,9}$/;
// RFC 9110 §5.6.7: the preferred format, and the two obsolete ones a recipient must still accept.
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/**
 * Milliseconds that an answer asks to wait; undefined when it does not.
 * @param now milliseconds since 1970
 */
export function retryAfterOf({ headers }: HttpResponse, now: number): number | undefined {
  return parseRetryAfter(headers.get('retry-after'), now);
}

/**
 * Milliseconds to wait from `now`; 0 for a date in the past, undefined for no or an unreadable
 * header.
 * @param now milliseconds since 1970
 */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  const value = header?.trim() ?? '';
  if (SECONDS.test(value)) {
    return Number(value) * 1000;
  }
  const at = parseHttpDate(value);
  return at === undefined ? undefined : Math.max(0, at - now);
}

function parseHttpDate(value: string): number | undefined {
  const isUtcMarked = IMF_FIXDATE.test(value) || RFC850_DATE.test(value);
  if (!isUtcMarked && !ASCTIME_DATE.test(value)) {
    return undefined;
  }
  const at = Date.parse(isUtcMarked ? value : `${value} GMT`);
  return Number.isNaN(at) ? undefined : at;
}
