// The test runner behind `npm test`: static checks, then every test file, then what only a whole
// run can show (no secret in anything printed, nothing left behind), then a count of what ran. `npm
// test -- unit/lib` runs only the test files whose path holds one of the given words, without the
// checks.

import { mkdtempSync, rmSync, chmodSync, existsSync, mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { endLeftProcesses, leftFiles } from './support/leftovers.js';
import { type CheckResult, runStaticChecks } from './support/static-checks.js';
import { TRANSCRIPT_VARIABLE, searchSecrets } from './support/transcript.js';

const FILE_TIMEOUT_MS = 180_000;
const RUN_TIMEOUT_MS = 1_500_000;
const MAX_CONCURRENCY = 4;
const SLOWEST_FILES = 10;

interface TestCounts {
  passed: number;
  failed: number;
  skipped: number;
  output: string;
  filesWithTests: Set<string>;
  /** By test file, what its outermost suites and tests took. */
  milliseconds: Map<string, number>;
}

async function main(filters: readonly string[]): Promise<number> {
  const started = Date.now();
  const files = await listTestFiles(filters);
  const isWholeRun = filters.length === 0;
  const checks = isWholeRun ? await runStaticChecks() : [];
  checks.forEach(reportCheck);

  const runFolder = mkdtempSync(join(tmpdir(), 'cvt-'));
  // Tests that run a program as another user must be able to pass through.
  chmodSync(runFolder, 0o711);
  const transcript = join(runFolder, 'transcript');
  const temporary = join(runFolder, 'tmp');
  mkdirSync(transcript, { mode: 0o700 });
  mkdirSync(temporary, { mode: 0o711 });
  process.env[TRANSCRIPT_VARIABLE] = transcript;
  process.env['TMPDIR'] = temporary;
  try {
    const counts = await runTestFiles(files);
    const closing = [...closingChecks(files, counts, { transcript, temporary, isWholeRun })];
    closing.forEach(reportCheck);
    return reportTotal({ checks: [...checks, ...closing], files, counts, started });
  } finally {
    rmSync(runFolder, { recursive: true, force: true });
  }
}

/** The compiled test files whose source exists: what a deleted source left in dist/ is not run. */
async function listTestFiles(filters: readonly string[]): Promise<string[]> {
  const sources = (await readdir('test', { recursive: true }))
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => filters.length === 0 || filters.some((word) => name.includes(word)))
    .sort(unitTestsFirst);
  const files = sources.map((name) => join('dist', 'test', name.replace(/\.ts$/, '.js')));
  const missing = files.filter((file) => !existsSync(file));
  if (missing.length > 0) {
    throw new Error(`not built: ${missing.join(', ')}`);
  }
  return files;
}

function unitTestsFirst(left: string, right: string): number {
  const rank = (name: string): string => (name.startsWith('unit') ? '0' : '1') + name;
  return rank(left) < rank(right) ? -1 : 1;
}

async function runTestFiles(files: readonly string[]): Promise<TestCounts> {
  const counts: TestCounts = {
    passed: 0,
    failed: 0,
    skipped: 0,
    output: '',
    filesWithTests: new Set(),
    milliseconds: new Map(),
  };
  if (files.length === 0) {
    return counts;
  }
  const stream = run({
    files: files.map((file) => join(process.cwd(), file)),
    concurrency: Math.min(MAX_CONCURRENCY, availableParallelism()),
    timeout: FILE_TIMEOUT_MS,
    signal: AbortSignal.timeout(RUN_TIMEOUT_MS),
  });
  stream.on('test:pass', (event) => {
    addTime(counts, event);
    // Node reports a file without a test as one passed test that is named after the file.
    if (event.details.type === 'suite' || event.name === event.file) {
      return;
    }
    counts.filesWithTests.add(sourceOf(event.file ?? ''));
    if (event.skip !== undefined || event.todo !== undefined) {
      counts.skipped += 1;
    } else {
      counts.passed += 1;
    }
  });
  stream.on('test:fail', (event) => {
    addTime(counts, event);
    counts.filesWithTests.add(sourceOf(event.file ?? ''));
    // A suite also fails with its tests, which are counted; one that fails by itself may have run
    // none of them.
    if (event.details.type !== 'suite' || !isOfSubtests(event.details.error)) {
      counts.failed += 1;
    }
  });
  const report = stream.pipe(new spec());
  report.on('data', (text: Buffer | string) => {
    counts.output += text.toString();
    process.stdout.write(text);
  });
  await finished(report);
  return counts;
}

interface TimedEvent {
  readonly nesting: number;
  readonly file?: string;
  readonly details: { readonly duration_ms: number };
}

function addTime({ milliseconds }: TestCounts, { nesting, file, details }: TimedEvent): void {
  if (nesting === 0 && file !== undefined) {
    const source = sourceOf(file);
    milliseconds.set(source, (milliseconds.get(source) ?? 0) + details.duration_ms);
  }
}

/**
 * The TypeScript of a test file: where source maps are on, Node names that one itself.
 * @param path of the one or the other, absolute or from the root
 */
function sourceOf(path: string): string {
  return relative(process.cwd(), resolve(path))
    .replace(/^dist\//, '')
    .replace(/\.js$/, '.ts');
}

function isOfSubtests(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed';
}

/** What can be said only when all tests have ended. */
function closingChecks(
  files: readonly string[],
  counts: TestCounts,
  run: { transcript: string; temporary: string; isWholeRun: boolean },
): CheckResult[] {
  const left = [...endLeftProcesses(run.transcript), ...leftFiles(run.temporary)];
  const search = searchSecrets(run.transcript, counts.output);
  const silent = files.map(sourceOf).filter((file) => !counts.filesWithTests.has(file));
  const results = [
    toCheck('nothing left behind', left),
    toCheck(
      `no secret in what was printed (${search.secrets} secrets, ${search.bytes} characters)`,
      search.leaks,
    ),
    toCheck('every test file has a test', silent),
  ];
  if (process.env['CI'] === 'true') {
    const skipped = counts.skipped === 0 ? [] : [`${counts.skipped} skipped`];
    results.push(toCheck('nothing skipped', skipped));
  }
  if (run.isWholeRun) {
    const unproved = search.secrets > 0 && search.bytes > 0 ? [] : ['no test recorded a secret'];
    results.push(toCheck('the search for secrets had something to find', unproved));
  }
  return results;
}

function toCheck(name: string, problems: readonly string[]): CheckResult {
  return { name, passed: problems.length === 0, output: problems.join('\n') };
}

function reportCheck(check: CheckResult): void {
  process.stdout.write(`${check.passed ? '✔' : '✖'} check: ${check.name}\n`);
  if (!check.passed) {
    process.stdout.write(`${check.output.trimEnd()}\n`);
  }
}

interface Total {
  readonly checks: readonly CheckResult[];
  readonly files: readonly string[];
  readonly counts: TestCounts;
  readonly started: number;
}

function reportTotal({ checks, files, counts, started }: Total): number {
  const failedChecks = checks.filter((check) => !check.passed);
  const tests = counts.passed + counts.failed + counts.skipped;
  const seconds = Math.round((Date.now() - started) / 1000);
  process.stdout.write(
    `\n${checks.length} checks, ${files.length} test files, ${tests} tests in ${seconds} s\n`,
  );
  for (const line of slowestFiles(counts.milliseconds)) {
    process.stdout.write(`${line}\n`);
  }
  for (const check of failedChecks) {
    process.stdout.write(`failed check: ${check.name}\n`);
  }
  if (tests === 0) {
    process.stdout.write('no test ran\n');
  }
  const passed = checks.length - failedChecks.length + counts.passed;
  const failed = failedChecks.length + counts.failed + (tests === 0 ? 1 : 0);
  const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`;
  process.stdout.write(`${passed} passed, ${failed} failed${skipped}\n`);
  return failed === 0 ? 0 : 1;
}

/** `  12.3 s  test/integration/client/claviger-pebble.test.ts`, the slowest first. */
function slowestFiles(milliseconds: ReadonlyMap<string, number>): string[] {
  const slowest = [...milliseconds].sort(([, left], [, right]) => right - left);
  return slowest
    .slice(0, SLOWEST_FILES)
    .map(([file, duration]) => `${(duration / 1000).toFixed(1).padStart(6)} s  ${file}`);
}

// A reader that goes away (`| head`) must not keep the run from cleaning up after itself.
process.stdout.on('error', () => undefined);
process.exitCode = await main(process.argv.slice(2));
