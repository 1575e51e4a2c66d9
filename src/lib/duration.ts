// Lengths of time as policies and options have them: `90d`, `1h`, `30m`, `10s`. Pure; runs in
// clavigerd and its commands. One number and one unit: anything longer would only hide mistakes.

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
]);

const UNIT_NAMES: ReadonlyMap<string, string> = new Map([
  ['d', 'day'],
  ['h', 'hour'],
  ['m', 'minute'],
  ['s', 'second'],
]);

/** Longer than any certificate is valid, and far below the range of dates. */
const MAX_DURATION_MS = 3660 * 86_400_000;

/**
 * Milliseconds of a text such as `90d`; undefined for anything else, for zero, and for more than
 * ten years.
 */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^([1-9][0-9]{0,8})([dhms])$/.exec(text) ?? [];
  const ms = Number(digits) * (UNIT_MS.get(unit ?? '') ?? Number.NaN);
  return ms <= MAX_DURATION_MS ? ms : undefined;
}

/** `90 days`, in the largest unit that divides it. */
export function formatDuration(ms: number): string {
  for (const [unit, length] of UNIT_MS) {
    if (ms % length === 0) {
      const count = ms / length;
      return `${count} ${UNIT_NAMES.get(unit) ?? unit}${count === 1 ? '' : 's'}`;
    }
  }
  return `${ms} ms`;
}
