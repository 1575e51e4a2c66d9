// `npm run attack:audit`: what the unit test of audit-attack does to six records, done to fifty, in
// one file and in four at the same time. Of the changes of single bytes, a quarter of a million for
// each, a share is tried: sixteen kinds of them on a byte, one of sixteen on average, by a seed.
// `npm run attack:audit -- 1` tries all (an hour), `-- 0.0625 7` others. Prints progress, a line
// for each kind of attack, and what nothing was found by.

import { once } from 'node:events';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import {
  byteAttacks,
  contentsOf,
  cutAttacks,
  judge,
  knownOf,
  makeFiles,
  openEndAttacks,
  recordAttacks,
  type Attack,
} from '../support/audit/audit-attack.js';
import { attackFiles } from '../support/audit/audit-attack-result.js';

const LAYOUTS: readonly (readonly number[])[] = [[50], [1, 30, 4, 15]];
const SHARE = 1 / 16;
const SEED = 1;
const PROGRESS_EVERY = 2000;

interface Task {
  readonly sizes: readonly number[];
  readonly share: number;
  readonly seed: number;
}

/**
 * Each with the same probability: a linear congruential generator (Numerical Recipes), its high
 * bits.
 */
function* sampled(attacks: Iterable<Attack>, share: number, seed: number): Generator<Attack> {
  let state = seed >>> 0;
  for (const attack of attacks) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    if (state / 2 ** 32 < share) {
      yield attack;
    }
  }
}

function* withProgress(attacks: Iterable<Attack>, what: string): Generator<Attack> {
  let tried = 0;
  for (const attack of attacks) {
    yield attack;
    tried += 1;
    if (tried % PROGRESS_EVERY === 0) {
      process.stderr.write(`${what}: ${tried} attacks so far\n`);
    }
  }
}

/** @returns whether nothing passed. */
function attackLayout({ sizes, share, seed }: Task): boolean {
  const files = makeFiles(sizes);
  const contents = contentsOf(files);
  const kinds = {
    records: recordAttacks(files),
    'ends of files': openEndAttacks(files),
    cuts: cutAttacks(contents),
    bytes: sampled(byteAttacks(contents), share, seed),
  };
  let isGood = judge(contents, knownOf(files)).report.findings.length === 0;
  for (const [kind, attacks] of Object.entries(kinds)) {
    const what = `files of ${sizes.join(', ')} records: ${kind}`;
    const { tried, ...lists } = attackFiles(files, withProgress(attacks, what));
    const passed = Object.values(lists).flat();
    process.stdout.write(`${what}: ${tried} attacks, ${passed.length} passed\n`);
    passed.forEach((name) => process.stdout.write(`  passed: ${name}\n`));
    isGood &&= passed.length === 0 && tried > 0;
  }
  return isGood;
}

/** @returns whether nothing passed. */
async function attackInThread(layout: number, share: number, seed: number): Promise<boolean> {
  const argv = [layout, share, seed];
  const worker = new Worker(new URL(import.meta.url), { argv });
  const message: unknown = await once(worker, 'message');
  return Array.isArray(message) && message[0] === true;
}

const numbers = process.argv.slice(2).map(Number);
if (isMainThread) {
  const [share = SHARE, seed = SEED] = numbers;
  const results = await Promise.all(
    LAYOUTS.map((_, layout) => attackInThread(layout, share, seed)),
  );
  const isGood = results.every(Boolean);
  process.stdout.write(isGood ? 'nothing passed but what is listed\n' : 'something passed\n');
  process.exitCode = isGood ? 0 : 1;
} else {
  const [layout = 0, share = SHARE, seed = SEED] = numbers;
  parentPort?.postMessage(attackLayout({ sizes: LAYOUTS[layout] ?? [], share, seed }));
}
