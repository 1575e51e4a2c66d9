import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatDuration, parseDuration } from '../../../src/lib/duration.js';

describe('a duration', () => {
  for (const [text, ms, words] of [
    ['10s', 10_000, '10 seconds'],
    ['90s', 90_000, '90 seconds'],
    ['30m', 1_800_000, '30 minutes'],
    ['1h', 3_600_000, '1 hour'],
    ['24h', 86_400_000, '1 day'],
    ['90d', 7_776_000_000, '90 days'],
  ] as const) {
    it(`${text} is ${words}`, () => {
      assert.equal(parseDuration(text), ms);
      assert.equal(formatDuration(ms), words);
    });
  }

  for (const text of [
    '',
    '0s',
    '1',
    'd',
    '1w',
    '1.5h',
    '-1d',
    '1 d',
    '01d',
    '1d12h',
    '3661d',
    '1D',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      assert.equal(parseDuration(text), undefined);
    });
  }

  it('is at most ten years, and a day', () => {
    assert.equal(parseDuration('3660d'), 3660 * 86_400_000);
    assert.equal(parseDuration('87840h'), 3660 * 86_400_000);
    assert.equal(parseDuration('87841h'), undefined);
    assert.equal(parseDuration('1234567890s'), undefined);
  });

  it('is shown in milliseconds where no unit divides it', () => {
    assert.equal(formatDuration(1500), '1500 ms');
    assert.equal(formatDuration(61_000), '61 seconds');
    assert.equal(formatDuration(86_400_000), '1 day');
    assert.equal(formatDuration(60_000), '1 minute');
  });
});
