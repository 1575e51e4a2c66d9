import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatDateTime, parseDateTime } from '../../../src/lib/date-time.js';

const NOW = Date.UTC(2026, 10, 21, 12);

describe('parseDateTime', () => {
  for (const [text, ms] of [
    ['2026-11-21T12:00:00Z', NOW],
    ['2026-11-21T12:00:00.000000000Z', NOW],
    ['2026-11-21T14:30:00+02:30', NOW],
    ['2026-11-21T00:00:00-12:00', NOW],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ] as const) {
    it(`takes ${text}`, () => {
      assert.equal(parseDateTime(text), ms);
    });
  }

  for (const text of [
    '',
    '2026-11-21',
    '2026-11-21T12:00Z',
    '2026-11-21T12:00:00',
    '2026-11-21 12:00:00Z',
    '2026-11-21t12:00:00z',
    '2026-11-21T24:00:00Z',
    '2026-11-21T12:60:00Z',
    '2026-11-21T23:59:60Z',
    '2026-02-29T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-11-21T12:00:00+24:00',
    '2026-11-21T12:00:00.Z',
    '+02026-11-21T12:00:00Z',
    ' 2026-11-21T12:00:00Z',
    '2026-11-21T12:00:00Z\n',
    'tomorrow',
    '1795262400',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseDateTime(text), undefined);
    });
  }
});

describe('formatDateTime', () => {
  it('writes what parseDateTime reads', () => {
    assert.equal(formatDateTime(NOW + 5), '2026-11-21T12:00:00.005Z');
    assert.equal(parseDateTime(formatDateTime(NOW + 5)), NOW + 5);
  });
});
