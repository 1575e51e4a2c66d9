// The ledger under what happens to real processes and disks: 200 kills, two daemons at once, a full
// disk.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  HOURLY_LIMIT,
  SHORT_LIMIT,
  SHORT_WINDOW_MS,
} from '../../support/budgets/budget-spender.js';
import { mustRun, runCommand, startProcess, type RunningProcess } from '../../support/process.js';
import type { Scope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const SPENDER = fileURLToPath(new URL('../../support/budgets/budget-spender.js', import.meta.url));
const FULL_DISK = fileURLToPath(
  new URL('../../support/budgets/budget-full-disk.js', import.meta.url),
);

const KILLS = 200;
/** Kills that share one hourly budget. */
const KILLS_PER_GENERATION = 20;
/** What a kill can waste: a spend of each task that uses the hourly budget. */
const HOURLY_TASKS = 3;

interface Spend {
  readonly key: string;
  /** Before it was asked for, and after it was acknowledged; ms. */
  readonly before: number;
  readonly after: number;
}

function spendsIn(output: string): Spend[] {
  return [...output.matchAll(/^spent (\S+) (\d+) (\d+)$/gm)].map(([, key = '', before, after]) => ({
    key,
    before: Number(before),
    after: Number(after),
  }));
}

function startSpender(
  scope: Scope,
  directory: string,
  generation: number,
): Promise<RunningProcess> {
  const args = [SPENDER, directory, String(generation)];
  return startProcess(scope, { command: process.execPath, args });
}

/** Kills at any moment: while it starts, while it reads the journal, while it spends. */
async function killSometime(spender: RunningProcess): Promise<void> {
  if (randomInt(4) > 0) {
    await spender.waitFor(/^open$/m);
    await sleep(randomInt(30));
  } else {
    await sleep(randomInt(150));
  }
  assert.ok(spender.isRunning, `it ended by itself:\n${spender.output}`);
  spender.signal('SIGKILL');
  const { signal } = await spender.exited;
  assert.equal(signal, 'SIGKILL', spender.output);
}

describe('budgets under SIGKILL', () => {
  it(`are never overspent in ${KILLS} kills`, async (t) => {
    const directory = join(await makeTempDir(t), 'state');
    const spends: Spend[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const generation = Math.floor(kill / KILLS_PER_GENERATION);
      const spender = await startSpender(t, directory, generation);
      await killSometime(spender);
      assert.equal(spender.stderr, '');
      spends.push(...spendsIn(spender.stdout));
    }
    for (let generation = 0; generation < KILLS / KILLS_PER_GENERATION; generation += 1) {
      const args = [SPENDER, directory, String(generation), 'until-empty'];
      spends.push(...spendsIn(await mustRun(process.execPath, args)));
      const key = `hourly-${generation}`;
      const acknowledged = spends.filter((spend) => spend.key === key).length;
      assert.ok(acknowledged <= HOURLY_LIMIT, `${acknowledged} of ${key}`);
      const wasted = KILLS_PER_GENERATION * HOURLY_TASKS;
      assert.ok(acknowledged >= HOURLY_LIMIT - wasted, `only ${acknowledged} of ${key}`);
    }
    // What was counted lies between the two times told, so this is never shorter than the window.
    const short = spends.filter(({ key }) => key === 'short');
    const times = short.map(({ before }) => before).sort((left, right) => left - right);
    const ends = short.map(({ after }) => after).sort((left, right) => left - right);
    assert.ok(times.length > SHORT_LIMIT, `${times.length} spends`);
    for (let last = SHORT_LIMIT; last < times.length; last += 1) {
      const span = (ends[last] ?? 0) - (times[last - SHORT_LIMIT] ?? 0);
      assert.ok(span >= SHORT_WINDOW_MS, `${SHORT_LIMIT + 1} spends in ${span} ms`);
    }
  });
});

describe('a second process', () => {
  it('is refused while the first one lives, and not after it was killed', async (t) => {
    const directory = join(await makeTempDir(t), 'state');
    const first = await startSpender(t, directory, 0);
    await first.waitFor(/^open$/m);
    const args = [SPENDER, directory, '0', 'until-empty'];
    const refused = await runCommand(process.execPath, args);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /SYS_LOCKED/);
    assert.equal(refused.stdout, '');
    first.signal('SIGKILL');
    await first.exited;
    assert.match(await mustRun(process.execPath, args), /^closed$/m);
  });
});

/** Runs a command on a tmpfs of its own that is gone with it. That takes root. */
function onSmallDisk(folder: string, size: string, command: string): Promise<string> {
  const script = `mount -t tmpfs -o mode=700,size=${size} tmpfs "$1" && ${command}`;
  return mustRun('unshare', ['--mount', 'sh', '-c', script, 'sh', folder, process.execPath]);
}

describe('a full disk', () => {
  it('lets nothing be spent, loses nothing, and is over when there is room', async (t) => {
    const folder = await makeTempDir(t);
    const output = await onSmallDisk(folder, '256k', `"$2" ${FULL_DISK} "$1"`);
    const { spent, errors, unexpected }: FullDiskReport = parseReport(output);
    assert.deepEqual(unexpected, []);
    const [before = 0, full = 0, after = 0, fullAgain = 0, fullAtStart = 0, rest = 0] = spent;
    assert.equal(before, 20);
    assert.equal(after, 20);
    // The last page of the file had room for some.
    assert.ok(full < 100 && fullAgain < 100, output);
    assert.equal(before + full + after + fullAgain + fullAtStart + rest, 2000);
    assert.ok(errors.length > 0);
    for (const error of errors) {
      assert.match(error, /^SIGNER_BUDGET: budget: ENOSPC/);
    }
  });

  it('that is read-only stops the start', async (t) => {
    const folder = await makeTempDir(t);
    const command = `mkdir -m 700 "$1/state" && mount -o remount,ro "$1" && ! "$2" ${SPENDER} "$1/state" 0 2>&1`;
    assert.match(
      await onSmallDisk(folder, '256k', command),
      /SYS_FILE[\s\S]*EROFS|EROFS[\s\S]*SYS_FILE/,
    );
  });
});

interface FullDiskReport {
  readonly spent: readonly number[];
  readonly errors: readonly string[];
  readonly unexpected: readonly string[];
}

function parseReport(output: string): FullDiskReport {
  const value: unknown = JSON.parse(output);
  assert.ok(typeof value === 'object' && value !== null);
  assert.ok('spent' in value && 'errors' in value && 'unexpected' in value);
  return {
    spent: listIn(value.spent).map(Number),
    errors: listIn(value.errors).map(String),
    unexpected: listIn(value.unexpected).map(String),
  };
}

function listIn(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value));
  return value;
}
