// Points of time on the command line: always UTC, never guessed.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTimePoint } from '../../../../src/cli/audit/time.js';
import { appErrorOf } from '../../../support/app-error.js';

const NOW = Date.parse('2026-11-22T12:00:00Z');

describe('points of time', () => {
  const good: readonly (readonly [string, string])[] = [
    ['2026-11-22', '2026-11-22T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['2026-11-22T10:00', '2026-11-22T10:00:00.000Z'],
    ['2026-11-22 10:00:05', '2026-11-22T10:00:05.000Z'],
    ['2026-11-22T10:00:05.250Z', '2026-11-22T10:00:05.250Z'],
    ['2026-11-22t10:00:05z', '2026-11-22T10:00:05.000Z'],
    ['2026-11-22T10:00:05+01:00', '2026-11-22T09:00:05.000Z'],
    ['90s', '2026-11-22T11:58:30.000Z'],
    ['30m', '2026-11-22T11:30:00.000Z'],
    ['2h', '2026-11-22T10:00:00.000Z'],
    ['7d', '2026-11-15T12:00:00.000Z'],
  ];
  for (const [text, expected] of good) {
    it(`takes ${text}`, () => {
      assert.equal(new Date(parseTimePoint('--since', text, NOW)).toISOString(), expected);
    });
  }

  const bad = ['', 'yesterday', '2026-02-30', '2026-13-01', '2026-11-22T25:00', '7', '-1d', '1w'];
  for (const text of [...bad, '22.11.2026', '2026-11-22T10:00+1', '2026-11-22T10', '99999999d']) {
    it(`refuses ${JSON.stringify(text)}`, async () => {
      const error = await appErrorOf(() => parseTimePoint('--since', text, NOW), 'CONFIG_USAGE');
      assert.match(error.message, /^--since: /);
    });
  }
});
