// How long and from which seed property tests run. Used by test processes only.
// `npm test` tries the same cases each time; CLAVIGER_FUZZ_RUNS=50 tries fifty times as many, others each
// time. fast-check prints the seed of a failure.

const FIXED_SEED = 20_260_729;

export interface FuzzParameters {
  readonly numRuns: number;
  readonly seed?: number;
}

/** Parameters for `fc.assert` of a test that tries `runs` cases in `npm test`. */
export function fuzz(runs: number): FuzzParameters {
  const text = process.env['CLAVIGER_FUZZ_RUNS'];
  if (text === undefined) {
    return { numRuns: runs, seed: FIXED_SEED };
  }
  const factor = Number(text);
  if (!(factor >= 1)) {
    throw new Error(`CLAVIGER_FUZZ_RUNS is ${JSON.stringify(text)}, not a number from 1 on`);
  }
  return { numRuns: Math.round(runs * factor) };
}
