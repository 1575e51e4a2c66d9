// Dates and times as RFC 3339 §5.6 writes them, to milliseconds since 1970. Pure; used by
// clavigerd, its commands and claviger. Strict: what Date.parse would repair (the 30th of February,
// a date without a zone) is no date here.

/** In capitals, and without leap seconds, which Date does not know. */
const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Milliseconds since 1970 of an RFC 3339 date and time; undefined for anything else. */
export function parseDateTime(text: string): number | undefined {
  const [matched, year, month, day] = DATE_TIME.exec(text) ?? [];
  if (matched === undefined) {
    return undefined;
  }
  // Date.parse takes the 30th of February for the 2nd of March.
  const daysInMonth = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > daysInMonth) {
    return undefined;
  }
  const ms = Date.parse(text);
  return Number.isFinite(ms) ? ms : undefined;
}

/** `2026-11-22T10:00:00.000Z`, which `parseDateTime` reads. */
export function formatDateTime(ms: number): string {
  return new Date(ms).toISOString();
}
