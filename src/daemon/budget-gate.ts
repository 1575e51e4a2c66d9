// The budgets of one listener: charges a request before it is signed, and says which budget is used
// up. Runs in clavigerd. Where there is no ledger every charge fails, so that nothing is signed
// that could not be counted.

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
   * Charges all budgets that a request is counted against, or none; on disk when it resolves.
   * @returns the reason when a budget is used up
   * @throws AppError SIGNER_BUDGET when the charge cannot be written: nothing may be signed then
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

/** Rounds up to a whole number of the largest unit that fits twice. */
function roundUp(ms: number): number {
  const unit = UNITS_MS.find((each) => ms >= 2 * each) ?? 1000;
  return Math.max(Math.ceil(ms / unit), 1) * unit;
}
