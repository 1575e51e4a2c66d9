// How many cases property tests try, and from which seed. Used by test processes only. `npm test`
// tries the same few thousand each time. CLAVIGER_FUZZ_RUNS=20 tries twenty times as many;
// CLAVIGER_FUZZ_SEED sets another seed. fast-check prints the seed of a failure.

const DEFAULT_SEED = 20_260_401;

/** @param runs cases in a plain `npm test` */
export function fuzzed(runs: number): { readonly seed: number; readonly numRuns: number } {
  return {
    seed: numberOf('CLAVIGER_FUZZ_SEED') ?? DEFAULT_SEED,
    numRuns: Math.ceil(runs * (numberOf('CLAVIGER_FUZZ_RUNS') ?? 1)),
  };
}

function numberOf(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined || text === '') {
    return undefined;
  }
  const number = Number(text);
  if (!Number.isFinite(number)) {
    throw new Error(`${variable} is not a number`);
  }
  return number;
}
