// Percentiles and a histogram of the signing times that `clavigerd key test` has measured. Pure.

export interface LatencyReport {
  /** Milliseconds; percentiles by nearest rank. */
  readonly minMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Signatures a second, one after another. */
  readonly perSecond: number;
  /**
   * From the bucket of the fastest signature to that of the slowest. A bucket counts the signatures
   * that took at most its bound, and longer than the bound before.
   */
  readonly histogram: readonly { readonly upToMs: number; readonly count: number }[];
}

/** The lowest bound; each one after it is twice as high. */
const FIRST_BOUND_MS = 0.125;
const BAR_WIDTH = 40;
const DECIMALS = 3;

/** @param times milliseconds, at least one. */
export function reportOfLatencies(times: readonly number[]): LatencyReport {
  const sorted = times.toSorted((a, b) => a - b);
  const rank = (share: number): number =>
    rounded(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0);
  const total = sorted.reduce((sum, time) => sum + time, 0);
  return {
    minMs: rank(0),
    p50Ms: rank(0.5),
    p90Ms: rank(0.9),
    p99Ms: rank(0.99),
    maxMs: rank(1),
    perSecond: rounded(total > 0 ? (1000 * sorted.length) / total : 0),
    histogram: histogramOf(sorted),
  };
}

function histogramOf(sorted: readonly number[]): LatencyReport['histogram'] {
  const counts = new Map<number, number>();
  for (const time of sorted) {
    const bucket = bucketOf(time);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  const buckets = [...counts.keys()];
  const [first, last] = [Math.min(...buckets), Math.max(...buckets)];
  return Array.from({ length: last - first + 1 }, (_, at) => ({
    upToMs: FIRST_BOUND_MS * 2 ** (first + at),
    count: counts.get(first + at) ?? 0,
  }));
}

function bucketOf(time: number): number {
  return Math.max(0, Math.ceil(Math.log2(time / FIRST_BOUND_MS)));
}

function rounded(value: number): number {
  return Number(value.toFixed(DECIMALS));
}

/** The percentiles as text, then a bar for each bucket. */
export function formatLatencies(report: LatencyReport): string {
  const { minMs, p50Ms, p90Ms, p99Ms, maxMs } = report;
  const most = Math.max(...report.histogram.map(({ count }) => count));
  const bounds = report.histogram.map(({ upToMs }) => `<= ${upToMs} ms`);
  const width = Math.max(...bounds.map((bound) => bound.length));
  const bars = report.histogram.map(({ count }, at) => {
    const bar = '#'.repeat(Math.ceil((BAR_WIDTH * count) / most));
    return `  ${(bounds[at] ?? '').padStart(width)}  ${String(count).padStart(6)}  ${bar}`.trimEnd();
  });
  return [
    `latency:     min ${minMs}, p50 ${p50Ms}, p90 ${p90Ms}, p99 ${p99Ms}, max ${maxMs} ms`,
    `rate:        ${report.perSecond} signatures a second, one after another`,
    ...bars,
    '',
  ].join('\n');
}
