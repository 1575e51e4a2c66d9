// `npm run mutation [-- PATH … --sample N --seed S]`: changes the source in small ways, one at a
// time, and counts the changes that the nearest unit and property tests notice. PATH is how paths
// below src/ begin: `policy/`, `policy/decide`; `.` stands for all. `--sample` takes N mutants of
// each folder. Mutants that change nothing observable are listed in equivalent-mutants.txt, each
// with its reason.

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import ts from 'typescript';
import { readSourceTree, type SourceFile } from '../support/source-tree.js';
import { MutationBed, type Outcome } from './mutation-bed.js';
import { applyMutant, describeMutant, mutantsOf, type Mutant } from './mutants.js';
import { testsOf } from './test-selection.js';

const EQUIVALENT = 'test/mutation/equivalent-mutants.txt';
const MOST_TESTS = 4;
const CHUNK = 40;
/** The folders whose score CONTRIBUTING.md promises. */
const PROMISED = ['policy/', 'jose/', 'protocol/', 'audit/', 'x509/', 'lib/'];

interface Task {
  readonly file: SourceFile;
  readonly mutant: Mutant;
  readonly label: string;
}

interface Work {
  readonly queue: Task[][];
  readonly all: readonly SourceFile[];
  readonly results: Result[];
}

interface Result extends Task {
  readonly outcome: Outcome | 'equivalent';
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { sample: { type: 'string' }, seed: { type: 'string', default: '1' } },
  });
  const beginnings = positionals.length > 0 ? positionals : PROMISED;
  const sources = readSourceTree('.', 'src');
  const all = [...sources, ...readSourceTree('.', 'test')];
  const chosen = sources.filter(({ path }) =>
    beginnings.some((beginning) => beginning === '.' || path.startsWith(`src/${beginning}`)),
  );
  const size = Number(values.sample ?? Infinity);
  const tasks = byFolder(chosen.flatMap(tasksOf)).flatMap((each) =>
    sampled(each, size, values.seed),
  );
  const equivalent = readEquivalent();
  const known = tasks.filter(({ label }) => equivalent.has(label));
  const results: Result[] = known.map((task) => ({ ...task, outcome: 'equivalent' }));
  const queue = inChunks(tasks.filter(({ label }) => !equivalent.has(label)));
  const beds = Array.from(
    { length: availableParallelism() },
    () => new MutationBed(compilerOptions()),
  );
  const end = (): void => {
    report(results);
    beds.forEach((bed) => {
      bed.remove();
    });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // Not once(): timeout(1) sends its signal to the process and to its group.
    process.on(signal, () => {
      end();
      print('interrupted: the figures are of the mutants judged up to now');
      process.exit(1);
    });
  }
  await Promise.all(beds.map((bed) => work(bed, { queue, all, results })));
  end();
}

function tasksOf(file: SourceFile): Task[] {
  return mutantsOf(file.path, file.text).map((mutant) => ({
    file,
    mutant,
    label: `${file.path.slice('src/'.length)} ${describeMutant(file.text, mutant)}`,
  }));
}

/**
 * One worker: takes some mutants of one file from the queue, and judges them one after the other.
 */
async function work(bed: MutationBed, { queue, all, results }: Work): Promise<void> {
  for (let tasks = queue.shift(); tasks !== undefined; tasks = queue.shift()) {
    const [first] = tasks;
    if (first === undefined) {
      continue;
    }
    const { path, text } = first.file;
    const tests = testsOf(path, all, MOST_TESTS);
    bed.replace(path, text);
    const passing = await bed.rehearse(tests);
    if (passing.length < tests.length) {
      const failing = tests.filter((name) => !passing.some(({ test }) => test === name));
      print(`not used   ${failing.join(', ')}: fails without a mutant`);
    }
    for (const task of tasks) {
      bed.replace(path, applyMutant(text, task.mutant));
      const outcome = await bed.judge(passing);
      results.push({ ...task, outcome });
      if (outcome === 'survived') {
        print(`survived  src/${task.label.replace(' ', `:${task.mutant.line} `)}`);
      }
    }
    bed.replace(path, text);
  }
}

function compilerOptions(): ts.CompilerOptions {
  const read = ts.readConfigFile('tsconfig.json', (name) => ts.sys.readFile(name));
  const { options } = ts.parseJsonConfigFileContent(read.config, ts.sys, '.');
  // A single file is compiled, with no package.json to say that it is a module.
  const module = ts.ModuleKind.ESNext;
  return { ...options, module, incremental: false, declaration: false };
}

/** Mutants of one file each, few enough that no worker is left with a long file at the end. */
function inChunks(tasks: readonly Task[]): Task[][] {
  return groupBy(tasks, ({ file }) => file.path).flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / CHUNK) }, (_, index) =>
      group.slice(index * CHUNK, (index + 1) * CHUNK),
    ),
  );
}

function byFolder<T extends Task>(tasks: readonly T[]): T[][] {
  return groupBy(tasks, folderOf);
}

function folderOf({ file }: Task): string {
  return file.path.split('/').slice(1, -1).join('/');
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item)) ?? [];
    group.push(item);
    groups.set(keyOf(item), group);
  }
  return [...groups.values()];
}

/**
 * Draws a sample, the same one for the same seed: a linear congruential generator is random enough
 * for that.
 */
function sampled(tasks: readonly Task[], size: number, seed: string): readonly Task[] {
  if (size >= tasks.length) {
    return tasks;
  }
  let state = Number(seed) >>> 0;
  const keyed = tasks.map((task) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { task, key: state };
  });
  keyed.sort((left, right) => left.key - right.key);
  return keyed.slice(0, size).map(({ task }) => task);
}

function readEquivalent(): ReadonlySet<string> {
  const text = existsSync(EQUIVALENT) ? readFileSync(EQUIVALENT, 'utf8') : '';
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Set(lines);
}

function report(results: readonly Result[]): void {
  const folders = byFolder(results).map((found) => ({
    folder: found[0] ? folderOf(found[0]) : '',
    found,
  }));
  for (const { folder, found } of folders.sort((a, b) => (a.folder < b.folder ? -1 : 1))) {
    const judged = found.filter(({ outcome }) => outcome !== 'equivalent');
    const killed = judged.filter(({ outcome }) => outcome !== 'survived').length;
    const share = judged.length === 0 ? 100 : (100 * killed) / judged.length;
    const equivalents = found.length - judged.length;
    print(
      `${folder}: ${killed} of ${judged.length} noticed (${share.toFixed(1)} %), ${equivalents} equivalent`,
    );
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
