// The budgets of one listener: charges a request before it is signed, and says which budget has no
// room. Runs in the daemon. A restriction that cannot be applied lets nothing pass: without a
// ledger every charge fails.

import { AppError } from '../lib/errors.js';
import { chargesOf } from '../policy/budget.js';
import type { Decision } from '../policy/decide.js';
import { formatDuration } from '../lib/duration.js';
import type { BudgetLedger } from '../budgets/ledger.js';
import type { DecisionScope, Reason } from './decision-record.js';

export class BudgetGate {
  readonly #ledger: BudgetLedger | undefined;
  readonly #scope: DecisionScope;

  /** @param ledger undefined where no policy has a budget. */
  constructor(ledger: BudgetLedger | undefined, scope: DecisionScope) {
    this.#ledger = ledger;
    this.#scope = scope;
  }

  /**
   * Charges what a request costs, all or nothing; that is on disk when it resolves.
   * @returns why not, when a budget is used up.
   * @throws AppError SIGNER_BUDGET when it cannot be written down: then nothing may be signed.
   */
  async charge({ budgets, request }: Decision): Promise<Reason | undefined> {
    const { account, listener, policy = '' } = this.#scope;
    if (this.#ledger === undefined || request === undefined) {
      throw new AppError('SIGNER_BUDGET', 'budget: there is nothing to keep it in');
    }
    const charges = chargesOf(budgets, request, { account, listener, policy });
    const exhausted = await this.#ledger.spend(charges);
    if (exhausted === undefined) {
      return undefined;
    }
    const { charge, waitMs } = exhausted;
    return {
      policy,
      rule: `${policy}.budgets`,
      reason:
        `policy '${policy}' allows "${charge.text}", which is used up; ` +
        `there is room again in ${formatDuration(roundUp(waitMs))}`,
    };
  }
}

const UNITS_MS = [86_400_000, 3_600_000, 60_000, 1000] as const;

/** To the next whole unit, one of which there are two at least. */
function roundUp(ms: number): number {
  const unit = UNITS_MS.find((each) => ms >= 2 * each) ?? 1000;
  return Math.max(Math.ceil(ms / unit), 1) * unit;
}
