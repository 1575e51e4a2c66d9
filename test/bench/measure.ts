// Measuring competitors in turn, and telling medians and ratios: machines are noisy, ratios less
// so.

import * as v from 'valibot';
import { mustRun } from '../support/process.js';

const ROUNDS = 5;
const MEASURE_MS = 120_000;

const measureSchema = v.object({ perSecond: v.number(), p50: v.number(), p99: v.number() });

/** Signatures a second, and the time of one in milliseconds. */
export type Measure = v.InferOutput<typeof measureSchema>;

type Competitor = readonly [name: string, run: () => Promise<Measure>];

export function say(text = ''): void {
  process.stdout.write(`${text}\n`);
}

/** Runs a program that prints a measure as JSON. */
export async function measure(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Measure> {
  const output = await mustRun(command, args, { env, timeoutMs: MEASURE_MS });
  return v.parse(measureSchema, JSON.parse(output));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/**
 * Measures each competitor once a round, in turn; the first one is what the others are compared
 * with.
 */
export async function compare(title: string, competitors: readonly Competitor[]): Promise<void> {
  const results = competitors.map(() => [] as Measure[]);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, [, run]] of competitors.entries()) {
      results[at]?.push(await run());
    }
  }
  say(`\n${title}`);
  const base = medians(results[0] ?? []);
  for (const [at, [name]] of competitors.entries()) {
    const { perSecond, p50, p99 } = medians(results[at] ?? []);
    say(
      `  ${name.padEnd(44)} ${perSecond.toFixed(0).padStart(7)}/s  x${(perSecond / base.perSecond).toFixed(2)}  ` +
        `p50 ${p50.toFixed(3)} ms (${signed(p50 - base.p50)})  p99 ${p99.toFixed(3)} ms`,
    );
  }
}

function medians(measures: readonly Measure[]): Measure {
  return {
    perSecond: median(measures.map((m) => m.perSecond)),
    p50: median(measures.map((m) => m.p50)),
    p99: median(measures.map((m) => m.p99)),
  };
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(3)}`;
}
