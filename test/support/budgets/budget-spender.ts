// A process that spends from budgets as fast as it can until it is killed, and tells each spend
// that was acknowledged. Run by the ledger's integration tests: budget-spender.js DIRECTORY
// GENERATION [until-empty]

import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../src/lib/clock.js';
import type { Charge } from '../../../src/policy/budget.js';
import { BudgetLedger } from '../../../src/budgets/ledger.js';

/** Room for all of a generation of processes. */
export const HOURLY_LIMIT = 150;
/** Within `SHORT_WINDOW_MS`. */
export const SHORT_LIMIT = 5;
export const SHORT_WINDOW_MS = 150;

/** The journal is written anew every few spends. */
const GROWTH_BYTES = 3000;

async function work(ledger: BudgetLedger, charges: readonly Charge[], isUntilEmpty: boolean) {
  for (;;) {
    const before = Date.now();
    const exhausted = await ledger.spend(charges);
    if (exhausted === undefined) {
      // Standard output is a pipe: it holds what was written to it, however we end.
      const keys = charges.map(({ key }) => key).join('+');
      writeSync(1, `spent ${keys} ${before} ${Date.now()}\n`);
    } else if (isUntilEmpty) {
      return;
    } else {
      await sleep(Math.min(exhausted.waitMs, 5));
    }
  }
}

async function main([directory = '', generation = '', untilEmpty]: readonly string[]) {
  const ledger = BudgetLedger.open({
    directory,
    clock: systemClock,
    monotonicNow: () => performance.now(),
    minGrowthBytes: GROWTH_BYTES,
  });
  writeSync(1, 'open\n');
  const hourly: Charge = {
    key: `hourly-${generation}`,
    limit: HOURLY_LIMIT,
    windowMs: 3_600_000,
    text: '',
  };
  const short: Charge = {
    key: 'short',
    limit: SHORT_LIMIT,
    windowMs: SHORT_WINDOW_MS,
    text: '',
  };
  const isUntilEmpty = untilEmpty === 'until-empty';
  const tasks = isUntilEmpty
    ? [[hourly]]
    : [[hourly], [hourly], [hourly], [short], [short], [short]];
  await Promise.all(tasks.map((charges) => work(ledger, charges, isUntilEmpty)));
  await ledger.close();
  writeSync(1, 'closed\n');
}

// Imported for its constants alone by the test.
if (process.argv[1]?.endsWith('budget-spender.js') === true) {
  await main(process.argv.slice(2));
}
