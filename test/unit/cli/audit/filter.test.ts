// Which records are shown, and how they are counted.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuditRecord } from '../../../../src/audit/audit-record.js';
import { NO_HASH } from '../../../../src/audit/chain-head.js';
import { AuditCounter, formatCounts } from '../../../../src/cli/audit/counts.js';
import { isWanted, type RecordFilter } from '../../../../src/cli/audit/filter.js';

function decision(time: string, more: Partial<AuditRecord> = {}): AuditRecord {
  return { seq: 1, time, event: 'decision', prev: NO_HASH, ...more };
}

const TIME = '2026-11-22T10:00:00.000Z';
const ORDER = decision(TIME, {
  verdict: 'signed',
  operation: 'new-order',
  identifiers: ['dns:www.example.org', 'dns:MAIL.example.org.', 'ip:2001:db8::1'],
});
const START: AuditRecord = { seq: 2, time: TIME, event: 'start', prev: NO_HASH };

describe('record filter', () => {
  const at = Date.parse(TIME);
  const cases: readonly (readonly [RecordFilter, boolean])[] = [
    [{}, true],
    [{ since: at }, true],
    [{ since: at + 1 }, false],
    [{ until: at }, false],
    [{ until: at + 1 }, true],
    [{ verdict: 'signed' }, true],
    [{ verdict: 'denied' }, false],
    [{ operation: 'new-order' }, true],
    [{ operation: 'finalize' }, false],
    [{ name: 'www.example.org' }, true],
    [{ name: 'dns:www.example.org' }, true],
    [{ name: 'WWW.EXAMPLE.ORG.' }, true],
    [{ name: 'mail.example.org' }, true],
    [{ name: '2001:db8::1' }, true],
    [{ name: 'ip:2001:db8::1' }, true],
    [{ name: 'example.org' }, false],
    [{ name: 'ip:www.example.org' }, false],
    [{ name: 'www.example.org', verdict: 'denied' }, false],
  ];
  for (const [filter, expected] of cases) {
    it(`${expected ? 'takes' : 'leaves'} the order by ${JSON.stringify(filter)}`, () => {
      assert.equal(isWanted(ORDER, filter), expected);
    });
  }

  it('takes a start by time alone', () => {
    assert.equal(isWanted(START, { since: at }), true);
    assert.equal(isWanted(START, { verdict: 'signed' }), false);
    assert.equal(isWanted(START, { name: 'www.example.org' }), false);
    assert.equal(isWanted(START, { operation: 'read' }), false);
  });
});

describe('record counts', () => {
  const counter = new AuditCounter();
  counter.add(START);
  counter.add(ORDER);
  counter.add(decision('2026-11-21T23:59:59.999Z', { verdict: 'malformed' }));
  counter.add({ ...ORDER, identifiers: ['dns:WWW.example.org', 'dns:www.example.org'] });
  counter.add({ ...ORDER, verdict: 'denied', identifiers: ['dns:\u001b[2J'] });
  const counts = counter.result();

  it('are by day, operation, name and verdict, each name of a request once', () => {
    assert.deepEqual(
      counts.map(({ day, operation, name, verdict, count }) => [
        ...[day, operation, name, verdict],
        count,
      ]),
      [
        ['2026-11-21', '', '', 'malformed', 1],
        ['2026-11-22', 'new-order', 'dns:\u001b[2j', 'denied', 1],
        ['2026-11-22', 'new-order', 'dns:mail.example.org.', 'signed', 1],
        ['2026-11-22', 'new-order', 'dns:www.example.org', 'signed', 2],
        ['2026-11-22', 'new-order', 'ip:2001:db8::1', 'signed', 1],
      ],
    );
  });

  it('are shown as a table, escaped', () => {
    const lines = formatCounts(counts).split('\n');
    assert.deepEqual(lines[0]?.split(/ {2,}/), ['DAY', 'OPERATION', 'NAME', 'VERDICT', 'COUNT']);
    assert.deepEqual(lines[1]?.split(/ {2,}/), ['2026-11-21', '-', '-', 'malformed', '1']);
    assert.ok(lines.every((line) => /^[ -~]*$/.test(line)));
  });
});
