// A process that spends on a small file system while that is full and when it has room again. Run
// by the ledger's integration test: budget-full-disk.js FOLDER. Prints one line of JSON.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/lib/clock.js';
import { AppError, systemCodeOf } from '../../../src/lib/errors.js';
import type { Charge } from '../../../src/policy/budget.js';
import { BudgetLedger } from '../../../src/budgets/ledger.js';

const CHARGES: readonly Charge[] = [
  { key: 'orders', limit: 2000, windowMs: 3_600_000, text: '2000 new-order per 1h' },
];
const BEFORE = 20;
const TRIES = 300;

const [folder = ''] = process.argv.slice(2);
const filler = join(folder, 'filler');

function open(): BudgetLedger {
  const directory = join(folder, 'state');
  return BudgetLedger.open({
    directory,
    clock: systemClock,
    monotonicNow: () => performance.now(),
  });
}

/** Takes all the room there is, to the byte. */
function fill(): void {
  for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (;;) {
        writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
      }
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOSPC') {
        throw error;
      }
    }
  }
}

/** Tries to spend again and again. @returns how often that went, and the errors. */
async function spend(
  ledger: BudgetLedger,
  times: number,
): Promise<{ spent: number; errors: Set<string> }> {
  const errors = new Set<string>();
  let spent = 0;
  for (let count = 0; count < times; count += 1) {
    try {
      spent += (await ledger.spend(CHARGES)) === undefined ? 1 : 0;
    } catch (error) {
      errors.add(error instanceof AppError ? `${error.code}: ${error.message}` : String(error));
    }
  }
  return { spent, errors };
}

const ledger = open();
const before = await spend(ledger, BEFORE);
fill();
const full = await spend(ledger, TRIES);
rmSync(filler);
const after = await spend(ledger, BEFORE);
fill();
const fullAgain = await spend(ledger, TRIES);
await ledger.close();
// The next start finds the disk full, and reads all the same.
const next = open();
const fullAtStart = await spend(next, 1);
rmSync(filler);
const rest = await spend(next, 3000);
await next.close();
process.stdout.write(
  `${JSON.stringify({
    spent: [before, full, after, fullAgain, fullAtStart, rest].map(({ spent }) => spent),
    errors: [...full.errors, ...fullAgain.errors, ...fullAtStart.errors],
    unexpected: [...before.errors, ...after.errors, ...rest.errors],
  })}\n`,
);
