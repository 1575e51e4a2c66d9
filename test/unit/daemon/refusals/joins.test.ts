import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { AuditEntry } from '../../../../src/audit/audit-record.js';
import type { Moment } from '../../../../src/lib/clock.js';
import { RefusalJoins, type Refused } from '../../../../src/daemon/refusals/joins.js';

/**
 * Some time after the start, by both clocks. @param setMs by how much somebody has set the time
 * meanwhile
 */
function at(ms: number, setMs = 0): Moment {
  const monotonicMs = 5000 + ms;
  return { wallMs: Date.parse('2026-11-22T10:00:00.000Z') + ms + setMs, monotonicMs };
}

const NOW = at(0);

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function refusal(name: string, more: Partial<AuditEntry> = {}): Refused {
  const entry: AuditEntry = {
    ...{ event: 'decision', verdict: 'denied', account: 'default', listener: 'web' },
    ...{
      connection: 'web/1',
      operation: 'new-order',
      url: 'https://ca.example/o',
      rule: 'web.identifiers',
    },
    ...{ code: 'denied', reason: `not ${name}`, identifiers: [name], sha256: hashOf(name) },
    ...more,
  };
  return { entry, names: [name] };
}

describe('RefusalJoins', () => {
  it('records the first of a kind, and joins those that follow within ten seconds', () => {
    const joins = new RefusalJoins();
    assert.equal(joins.take(refusal('a'), NOW), true);
    assert.equal(joins.take(refusal('b'), at(2000)), false);
    assert.equal(joins.take(refusal('c'), at(3000)), false);
    assert.equal(joins.take(refusal('b'), at(11_999)), false);
    assert.equal(joins.nextDue, at(12_000).monotonicMs);
    assert.equal(joins.takeDue(at(11_999)), undefined);
    const inputs = createHash('sha256');
    for (const name of ['b', 'c', 'b']) {
      inputs.update(hashOf(name), 'hex');
    }
    assert.deepEqual(joins.takeDue(at(12_000)), {
      ...{ event: 'decision', verdict: 'denied', account: 'default', listener: 'web' },
      ...{ policy: undefined, operation: 'new-order', unread: undefined, rule: 'web.identifiers' },
      ...{ code: 'denied', reason: 'not b', count: 3 },
      'first-time': '2026-11-22T10:00:02.000Z',
      'last-time': '2026-11-22T10:00:11.999Z',
      identifiers: ['b', 'c'],
      'name-count': 2,
      'inputs-sha256': inputs.digest('hex'),
    });
    assert.equal(joins.take(refusal('d'), at(12_001)), false, 'the kind is known still');
  });

  it('is due in time when the clock is set back by an hour, and shows its times as the clock does', () => {
    const back = -3_600_000;
    const joins = new RefusalJoins();
    joins.take(refusal('a'), at(0));
    joins.take(refusal('b'), at(1000));
    joins.take(refusal('c'), at(2000, back));
    assert.equal(joins.takeDue(at(10_999, back)), undefined);
    const entry = joins.takeDue(at(11_000, back));
    assert.equal(entry?.count, 2);
    assert.equal(entry['first-time'], '2026-11-22T10:00:01.000Z');
    assert.equal(entry['last-time'], '2026-11-22T09:00:02.000Z');
    assert.equal(joins.take(refusal('d'), at(11_001, back)), false);
    assert.equal(joins.takeDue(at(21_001, back))?.count, 1);
  });

  it('is not due before its time when the clock is set forward by an hour', () => {
    const joins = new RefusalJoins();
    joins.take(refusal('a'), at(0));
    joins.take(refusal('b'), at(1000));
    assert.equal(joins.takeDue(at(2000, 3_600_000)), undefined);
  });

  it('forgets a kind that has not come again for ten seconds', () => {
    const joins = new RefusalJoins();
    joins.take(refusal('a'), NOW);
    assert.equal(joins.takeDue(at(10_000)), undefined);
    assert.equal(joins.nextDue, undefined);
    assert.equal(joins.take(refusal('a'), at(10_000)), true);
  });

  it('leaves one that was alone as it is', () => {
    const joins = new RefusalJoins();
    joins.take(refusal('a'), NOW);
    joins.take(refusal('b'), at(1000));
    const [entry] = joins.drain();
    const time = '2026-11-22T10:00:01.000Z';
    const times = { count: 1, 'first-time': time, 'last-time': time };
    assert.deepEqual(entry, { ...refusal('b').entry, ...times });
    assert.equal(joins.take(refusal('a'), at(1001)), true, 'what was drained is new again');
  });

  it('joins what is equal in verdict, account, listener, operation, code, rule and what was not read', () => {
    const others: readonly Partial<AuditEntry>[] = [
      { verdict: 'failed' },
      { account: 'other' },
      { listener: 'other' },
      { operation: 'finalize' },
      { code: 'TOKEN_ABSENT' },
      { rule: 'web.operations' },
      { unread: 'names' },
    ];
    const joins = new RefusalJoins();
    assert.equal(joins.take(refusal('a'), NOW), true);
    for (const other of others) {
      assert.equal(joins.take(refusal('a', other), NOW), true, JSON.stringify(other));
      assert.equal(joins.take(refusal('a', { ...other, reason: 'x', url: 'y' }), NOW), false);
    }
  });

  it('keeps the first fifty names, and counts the rest', () => {
    const joins = new RefusalJoins();
    joins.take(refusal('first'), NOW);
    for (let count = 0; count < 120; count += 1) {
      joins.take(refusal(`n${count % 60}`), NOW);
    }
    const [entry] = joins.drain();
    assert.equal(entry?.count, 120);
    assert.equal(entry.identifiers?.length, 50);
    assert.equal(entry.identifiers[0], 'n0');
    assert.equal(entry['name-count'], 60);
  });

  it('remembers so many names, and is due then', () => {
    const joins = new RefusalJoins();
    joins.take(refusal('first'), NOW);
    for (let count = 0; count < 1000; count += 1) {
      joins.take(refusal(`${'x'.repeat(300)}${count}`), NOW);
    }
    const entry = joins.takeDue(NOW);
    assert.equal(entry?.count, 1000);
    assert.ok((entry['name-count'] ?? 0) < 250);
  });

  it('has so many kinds, and one more is recorded each time', () => {
    const joins = new RefusalJoins();
    for (let count = 0; count < 300; count += 1) {
      assert.equal(joins.take(refusal('a', { rule: `r${count}` }), NOW), true);
    }
    assert.equal(joins.take(refusal('a', { rule: 'r0' }), NOW), false);
    assert.equal(joins.take(refusal('a', { rule: 'r299' }), NOW), true);
  });

  it('takes a kind anew whose first could not be recorded', () => {
    const joins = new RefusalJoins();
    joins.take(refusal('a'), NOW);
    joins.take(refusal('a'), NOW);
    assert.equal(joins.forget(refusal('a')), 1);
    assert.equal(joins.take(refusal('a'), NOW), true);
  });
});
