// The ledger on a real directory, under a clock of the test: restarts, damage, files that go away.

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Charge } from '../../../src/policy/budget.js';
import { BudgetLedger, type LedgerOptions } from '../../../src/budgets/ledger.js';
import { appErrorOf } from '../../support/app-error.js';
import { mustRun } from '../../support/process.js';
import { type Scope, atEnd } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const START = 1_700_000_000_000;
/** Of libuv. */
const DEFAULT_THREADS = 4;
const HOUR_MS = 3_600_000;

interface Bed {
  readonly directory: string;
  readonly journal: string;
  /** The clock, ms; the monotonic one stands still unless a test moves it. */
  wall: number;
  monotonic: number;
  open(options?: Partial<LedgerOptions>): BudgetLedger;
}

async function makeBed(scope: Scope): Promise<Bed> {
  const directory = join(await makeTempDir(scope), 'state');
  const bed: Bed = {
    directory,
    journal: join(directory, 'budgets.jsonl'),
    wall: START,
    monotonic: 0,
    open: (options = {}) => {
      const ledger = BudgetLedger.open({
        directory,
        clock: { now: () => bed.wall },
        monotonicNow: () => bed.monotonic,
        ...options,
      });
      atEnd(scope, () => ledger.close());
      return ledger;
    },
  };
  return bed;
}

function charge(key: string, limit: number, windowMs = HOUR_MS): Charge {
  return { key, limit, windowMs, text: `${limit} in ${windowMs} ms` };
}

/** Spends until there is no room, and tells how often that went. */
async function spendAll(ledger: BudgetLedger, charges: readonly Charge[]): Promise<number> {
  for (let count = 0; ; count += 1) {
    if ((await ledger.spend(charges)) !== undefined) {
      return count;
    }
  }
}

/** Keeps every thread that works on files busy: each waits for somebody to write to a FIFO. */
async function holdThreads(scope: Scope, fifo: string): Promise<() => Promise<void>> {
  await mustRun('mkfifo', [fifo]);
  const count = Number(process.env['UV_THREADPOOL_SIZE'] ?? DEFAULT_THREADS);
  const opening = Array.from({ length: count }, () => open(fifo, 'r'));
  const release = async (): Promise<void> => {
    // Open for both, it waits for nobody, and ends all the waiting.
    const fd = openSync(fifo, 'r+');
    await Promise.all(opening.map(async (handle) => (await handle).close().catch(() => undefined)));
    closeSync(fd);
  };
  atEnd(scope, release);
  return release;
}

function lineCount(path: string): number {
  return readFileSync(path, 'utf8').trimEnd().split('\n').length;
}

describe('a ledger', () => {
  it('counts until there is no room, and says for how long', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open();
    const orders = [charge('orders', 2)];
    assert.equal(await ledger.spend(orders), undefined);
    bed.wall += 1000;
    assert.equal(await ledger.spend(orders), undefined);
    assert.deepEqual(await ledger.spend(orders), { charge: orders[0], waitMs: HOUR_MS - 1000 });
    bed.wall += HOUR_MS - 1000;
    assert.equal(await spendAll(ledger, orders), 1);
  });

  it('counts all charges or none', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open();
    await ledger.spend([charge('b', 1)]);
    assert.equal((await ledger.spend([charge('a', 1), charge('b', 1)]))?.charge.key, 'b');
    await ledger.close();
    assert.equal(await spendAll(bed.open(), [charge('a', 1)]), 1);
  });

  it('gives no room twice to those who come at once', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open();
    const spend = (): Promise<unknown> => ledger.spend([charge('a', 10), charge('b', 20)]);
    const outcomes = await Promise.all(Array.from({ length: 40 }, spend));
    assert.equal(outcomes.filter((outcome) => outcome === undefined).length, 10);
    await ledger.close();
    const again = bed.open();
    assert.equal(await spendAll(again, [charge('a', 10)]), 0);
    assert.equal(await spendAll(again, [charge('b', 20)]), 10);
  });

  it('writes nothing for what counts against no budget', async (t) => {
    const bed = await makeBed(t);
    assert.equal(await bed.open().spend([]), undefined);
    assert.equal(existsSync(bed.journal), false);
  });

  it('has files for its user alone', async (t) => {
    const bed = await makeBed(t);
    await bed.open().spend([charge('a', 1)]);
    assert.deepEqual(readdirSync(bed.directory).sort(), ['budgets.jsonl', 'budgets.lock']);
    for (const name of readdirSync(bed.directory)) {
      assert.equal(statSync(join(bed.directory, name)).mode & 0o777, 0o600);
    }
  });

  it('spends nothing more once it is closed', async (t) => {
    const ledger = (await makeBed(t)).open();
    const last = ledger.spend([charge('a', 2)]);
    await ledger.close();
    assert.equal(await last, undefined);
    await appErrorOf(() => ledger.spend([charge('a', 2)]), 'SIGNER_BUDGET');
  });

  it('does not wait for ever for a disk that hangs', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open({ writeTimeoutMs: 20 });
    const release = await holdThreads(t, join(bed.directory, 'fifo'));
    const error = await appErrorOf(() => ledger.spend([charge('a', 1)]), 'SIGNER_BUDGET');
    assert.match(error.message, /the disk did not answer in 0\.02 s/);
    await release();
    await ledger.close();
    // Written too late, it is counted all the same.
    assert.equal(await spendAll(bed.open(), [charge('a', 1)]), 0);
  });

  it('refuses what is more than it may hold', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open({ bounds: { maxCounts: 10, maxKeys: 2 } });
    await ledger.spend([charge('a', 9), charge('b', 9)]);
    const error = await appErrorOf(() => ledger.spend([charge('c', 9)]), 'SIGNER_BUDGET');
    assert.match(error.message, /too much is counted already/);
    assert.equal(await ledger.spend([charge('a', 9)]), undefined);
    bed.wall += HOUR_MS;
    assert.equal(await ledger.spend([charge('c', 9)]), undefined);
  });
});

describe('a restart', () => {
  it('keeps what was spent, and its time', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    await first.spend([charge('a', 3)]);
    bed.wall += 1000;
    await first.spend([charge('a', 3)]);
    await first.close();
    const second = bed.open();
    assert.equal(await spendAll(second, [charge('a', 3)]), 1);
    bed.wall += HOUR_MS - 1000;
    assert.equal(await spendAll(second, [charge('a', 3)]), 1);
  });

  it('under a lower limit has no room, under a higher one the rest', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    await spendAll(first, [charge('a', 3)]);
    await first.close();
    const second = bed.open();
    assert.equal(await spendAll(second, [charge('a', 2)]), 0);
    assert.equal(await spendAll(second, [charge('a', 5)]), 2);
  });

  it('with the clock set back refills nothing', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    await spendAll(first, [charge('a', 3)]);
    bed.wall -= 24 * HOUR_MS;
    assert.equal(await spendAll(first, [charge('a', 3)]), 0);
    await first.close();
    const second = bed.open();
    assert.equal(second.clockLagMs, 24 * HOUR_MS);
    assert.equal(await spendAll(second, [charge('a', 3)]), 0);
    // Its own running time counts all the same.
    bed.monotonic += HOUR_MS;
    assert.equal(await spendAll(second, [charge('a', 3)]), 3);
    assert.equal(second.clockLagMs, 25 * HOUR_MS);
  });

  it('knows the latest time also when all has left its window', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open({ minGrowthBytes: 0 });
    await first.spend([charge('short', 1, 10)]);
    bed.wall += HOUR_MS;
    await first.spend([charge('short', 1, 10)]);
    bed.wall += 10;
    await first.spend([charge('shorter', 1, 1)]);
    await first.close();
    bed.wall -= 24 * HOUR_MS;
    assert.equal(bed.open().clockLagMs, 24 * HOUR_MS);
  });

  it('counts a torn last line when it can be read, and goes on with a whole file', async (t) => {
    for (const [cut, left] of [
      [1, 0],
      [10, 0],
      [60, 1],
    ] as const) {
      const bed = await makeBed(t);
      const first = bed.open();
      await spendAll(first, [charge('a', 2)]);
      await first.close();
      const content = readFileSync(bed.journal);
      writeFileSync(bed.journal, content.subarray(0, content.length - cut));
      const second = bed.open();
      assert.equal(await spendAll(second, [charge('a', 3)]), 1 + left);
      await second.close();
      assert.equal(await spendAll(bed.open(), [charge('a', 3)]), 0);
    }
  });

  it('removes what a killed process left half written', async (t) => {
    const bed = await makeBed(t);
    await bed.open().close();
    const left = join(bed.directory, '.budgets.jsonl.0123456789ab.tmp');
    writeFileSync(left, 'x');
    bed.open();
    assert.equal(existsSync(left), false);
  });

  it('is refused over damage, with a hint', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    await spendAll(first, [charge('a', 3)]);
    await first.close();
    const lines = readFileSync(bed.journal, 'utf8').split('\n');
    writeFileSync(bed.journal, [lines[0], ...lines.slice(2)].join('\n'));
    const error = await appErrorOf(() => bed.open(), 'SYS_FILE');
    assert.match(error.message, /budgets\.jsonl: budget journal: line 2 is damaged/);
    assert.match(error.hint ?? '', /remove it: then all budgets begin anew/);
    // The failed start holds no lock.
    rmSync(bed.journal);
    assert.equal(await spendAll(bed.open(), [charge('a', 3)]), 3);
  });

  it('is refused when others can write the journal, or it is no file', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    await first.spend([charge('a', 3)]);
    await first.close();
    chmodSync(bed.journal, 0o620);
    await appErrorOf(() => bed.open(), 'SYS_UNSAFE_PATH');
    rmSync(bed.journal);
    mkdirSync(bed.journal);
    await appErrorOf(() => bed.open(), 'SYS_PATH');
  });

  it('is refused when the journal or the lock is a symbolic link, or the directory a file', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    await first.spend([charge('a', 3)]);
    await first.close();
    renameSync(bed.journal, join(bed.directory, 'elsewhere'));
    symlinkSync('elsewhere', bed.journal);
    await appErrorOf(() => bed.open(), 'SYS_FILE');
    rmSync(bed.journal);
    rmSync(join(bed.directory, 'budgets.lock'));
    symlinkSync('elsewhere', join(bed.directory, 'budgets.lock'));
    await appErrorOf(() => bed.open(), 'SYS_FILE');
    const directory = join(bed.directory, 'elsewhere');
    await appErrorOf(() => bed.open({ directory }), 'SYS_FILE');
  });

  it('is refused while another holds the lock', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    const error = await appErrorOf(() => bed.open(), 'SYS_LOCKED');
    assert.match(error.message, /another process keeps its budgets here/);
    await first.close();
    await bed.open().spend([charge('a', 1)]);
  });
});

describe('the journal', () => {
  it('does not grow with what has left its window', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open({ minGrowthBytes: 400 });
    let most = 0;
    for (let count = 0; count < 200; count += 1) {
      bed.wall += 100;
      assert.equal(await ledger.spend([charge(`key ${count}`, 1, 1000)]), undefined);
      most = Math.max(most, lineCount(bed.journal));
    }
    // Ten are in the window; as much again and 400 bytes may be added before it is written anew.
    assert.ok(most < 30, `${most} lines`);
    await ledger.close();
    const again = bed.open();
    assert.equal(await spendAll(again, [charge('key 199', 1, 1000)]), 0);
    assert.equal(await spendAll(again, [charge('key 189', 1, 1000)]), 1);
  });

  it('that was cut, removed, moved or replaced while the ledger is open is written anew', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open();
    await ledger.spend([charge('a', 10)]);
    const troubles = [
      () => {
        truncateSync(bed.journal, 100);
      },
      () => {
        rmSync(bed.journal);
      },
      () => {
        renameSync(bed.journal, join(bed.directory, 'old'));
      },
      () => {
        renameSync(bed.journal, join(bed.directory, 'old'));
        writeFileSync(bed.journal, 'not a journal\n');
      },
    ];
    for (const trouble of troubles) {
      trouble();
      await ledger.spend([charge('a', 10)]);
    }
    await ledger.close();
    assert.equal(await spendAll(bed.open(), [charge('a', 10)]), 5);
  });

  it('that cannot be written stops the spend, which is then not counted, and goes on later', async (t) => {
    const bed = await makeBed(t);
    const ledger = bed.open();
    await ledger.spend([charge('a', 3)]);
    rmSync(bed.directory, { recursive: true });
    for (let times = 0; times < 5; times += 1) {
      const error = await appErrorOf(() => ledger.spend([charge('a', 3)]), 'SIGNER_BUDGET');
      assert.match(error.message, /^budget: ENOENT/);
    }
    mkdirSync(bed.directory, { mode: 0o700 });
    assert.equal(await spendAll(ledger, [charge('a', 3)]), 2);
    await ledger.close();
    assert.equal(await spendAll(bed.open(), [charge('a', 3)]), 0);
  });

  it('with a line that was not written by a ledger is damaged', async (t) => {
    const bed = await makeBed(t);
    const first = bed.open();
    await first.spend([charge('a', 3)]);
    await first.close();
    appendFileSync(bed.journal, '{"key":"a","window":3600000,"times":[1]}\n');
    await appErrorOf(() => bed.open(), 'SYS_FILE');
  });
});
