import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { BudgetLedger } from '../../../src/budgets/ledger.js';
import { BudgetGate } from '../../../src/daemon/budget-gate.js';
import type { Decision } from '../../../src/policy/decide.js';
import { parseBudget } from '../../../src/policy/budget.js';
import { atEnd, suiteScope } from '../../support/scope.js';
import { makeTempDir } from '../../support/temp-dir.js';

const scope = suiteScope();
const SCOPE = { account: 'default', listener: 'web', policy: 'web' };
const DAY_MS = 86_400_000;

let now = 1_700_000_000_000;
let ledger: BudgetLedger;
before(async () => {
  const directory = await makeTempDir(scope);
  ledger = BudgetLedger.open({ directory, clock: { now: () => now }, monotonicNow: () => 0 });
  atEnd(scope, () => ledger.close());
});

function decisionOf(...budgets: readonly string[]): Decision {
  return {
    verdict: { kind: 'approved', rule: 'web' },
    request: { operation: 'read', identifiers: [], payload: undefined },
    unread: undefined,
    budgets: budgets.map((text) => parseBudget(text)),
  };
}

describe('BudgetGate', () => {
  for (const [window, passedMs, wait] of [
    ['10s', 0, '10 seconds'],
    ['11s', 9500, '2 seconds'],
    ['12s', 11_999, '1 second'],
    ['119s', 0, '119 seconds'],
    ['2m', 0, '2 minutes'],
    ['121m', 61_000, '2 hours'],
    ['2h', 1, '2 hours'],
    ['3h', 3_600_001, '2 hours'],
    ['47h', 0, '47 hours'],
    ['49h', 0, '3 days'],
  ] as const) {
    it(`says that there is room ${wait} later, ${passedMs} ms into a window of ${window}`, async () => {
      const gate = new BudgetGate(ledger, SCOPE);
      const decision = decisionOf(`1 read per ${window}`);
      now += 10 * DAY_MS;
      assert.equal(await gate.charge(decision), undefined);
      now += passedMs;
      assert.deepEqual(await gate.charge(decision), {
        policy: 'web',
        rule: 'web.budgets',
        reason:
          `policy 'web' allows "1 read per ${window}", which is used up; ` +
          `there is room again in ${wait}`,
      });
    });
  }

  it('counts for its own account and policy', async () => {
    now += 10 * DAY_MS;
    const decision = decisionOf('1 read per 5s');
    for (const own of [SCOPE, { ...SCOPE, account: 'a' }, { ...SCOPE, policy: 'p' }]) {
      assert.equal(await new BudgetGate(ledger, own).charge(decision), undefined);
    }
    assert.ok(
      (await new BudgetGate(ledger, { ...SCOPE, listener: 'x' }).charge(decision)) !== undefined,
    );
  });

  it('lets nothing pass where there is no ledger, or the request is not known', async () => {
    const none = new BudgetGate(undefined, SCOPE);
    await assert.rejects(none.charge(decisionOf('1 read per 1d')), { code: 'SIGNER_BUDGET' });
    const unknown = { ...decisionOf('1 read per 1d'), request: undefined };
    await assert.rejects(new BudgetGate(ledger, SCOPE).charge(unknown), { code: 'SIGNER_BUDGET' });
  });
});
