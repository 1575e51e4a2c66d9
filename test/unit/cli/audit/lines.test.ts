// The audit log for people: every field in its place, and nothing that a client wrote reaches the
// terminal.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuditRecord } from '../../../../src/audit/audit-record.js';
import { NO_HASH } from '../../../../src/audit/chain-head.js';
import { formatHeadLine, formatRecordLine } from '../../../../src/cli/audit/lines.js';

const SIGNED: AuditRecord = {
  seq: 18,
  time: '2026-11-22T01:33:39.123Z',
  event: 'decision',
  verdict: 'signed',
  account: 'default',
  listener: 'web',
  connection: '3',
  operation: 'new-order',
  identifiers: ['dns:www.example.org', 'dns:example.org'],
  rule: 'web',
  'queue-ms': 0.12,
  'token-ms': 34.5,
  prev: NO_HASH,
};

function fieldsOf(record: AuditRecord): readonly string[] {
  return formatRecordLine(record).split(/ {2,}/);
}

describe('record lines', () => {
  it('show time, client, operation, names, verdict and latency', () => {
    assert.deepEqual(fieldsOf(SIGNED), [
      '2026-11-22T01:33:39.123Z',
      'web/3',
      'new-order',
      'dns:www.example.org,dns:example.org',
      'signed',
      '0.12 + 34.50 ms',
    ]);
  });

  it('show the rule and the reason of what was not signed', () => {
    const denied = { ...SIGNED, verdict: 'denied', rule: 'web.operations', reason: 'no' } as const;
    assert.equal(fieldsOf(denied).at(-1), '(web.operations: no)');
    const failed = { ...SIGNED, code: 'TOKEN_ABSENT', reason: 'gone' } as const;
    assert.equal(fieldsOf({ ...failed, verdict: 'failed' }).at(-1), '(TOKEN_ABSENT: gone)');
    const cancelled = { ...SIGNED, verdict: 'cancelled', reason: 'left' } as const;
    assert.equal(fieldsOf(cancelled).at(-1), '(left)');
    assert.equal(
      fieldsOf({ ...SIGNED, reason: 'names are not known' }).at(-1),
      '(names are not known)',
    );
  });

  it('show a dash for what is not known', () => {
    const { seq, time, event, prev } = SIGNED;
    const line = formatRecordLine({ seq, time, event, prev, verdict: 'malformed', reason: 'x' });
    assert.deepEqual(line.split(/ {2,}/), [time, '-', '-', '-', 'malformed', '(x)']);
  });

  it('do not name the listener twice', () => {
    assert.equal(fieldsOf({ ...SIGNED, connection: 'web/3' })[1], 'web/3');
  });

  it('tell start, stop and gap', () => {
    const { seq, time, prev } = SIGNED;
    const line = formatRecordLine({ seq, time, prev, event: 'gap', reason: '3 records lost' });
    assert.equal(line, `${time}  -- gap: 3 records lost`);
    assert.equal(formatRecordLine({ seq, time, prev, event: 'stop' }), `${time}  -- stop`);
  });

  it('escape what a client sent', () => {
    const bad = '\u001b[2J\n\u202e';
    const record: AuditRecord = {
      ...SIGNED,
      verdict: 'denied',
      operation: bad,
      identifiers: [bad],
      connection: bad,
      listener: bad,
      rule: bad,
      reason: bad,
    };
    assert.match(formatRecordLine(record), /^[ -~]*$/);
    assert.match(formatRecordLine({ ...record, event: 'gap' }), /^[ -~]*$/);
  });

  it('cut nothing', () => {
    const identifiers = Array.from({ length: 1000 }, (_, index) => `dns:n${index}.example.org`);
    assert.ok(formatRecordLine({ ...SIGNED, identifiers }).includes(identifiers.join(',')));
  });

  it('stand under their heading', () => {
    const head = formatHeadLine();
    const line = formatRecordLine({ ...SIGNED, identifiers: ['dns:a'] });
    for (const [title, field] of [
      ['CLIENT', 'web/3'],
      ['NAMES', 'dns:a'],
      ['WAIT', '0.12'],
    ] as const) {
      assert.equal(line.indexOf(field), head.indexOf(title), title);
    }
  });
});
