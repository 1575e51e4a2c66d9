import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRetryAfter, retryAfterOf } from '../../../../src/acme/transport/retry-after.js';

import { httpResponse } from '../../../support/client/scripted-acme.js';

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

describe('parseRetryAfter', () => {
  const cases: readonly (readonly [string | undefined, number | undefined])[] = [
    ['0', 0],
    ['3', 3_000],
    [' 120 ', 120_000],
    ['Sat, 21 Nov 2026 12:00:05 GMT', 5_000],
    ['Saturday, 21-Nov-26 12:00:05 GMT', 5_000],
    ['Sat Nov 21 12:00:05 2026', 5_000],
    ['Sat, 21 Nov 2026 11:00:00 GMT', 0],
    [undefined, undefined],
    ['', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['9999999999', undefined],
    ['soon', undefined],
    ['2026-11-21T12:00:05Z', undefined],
    ['Sat, 21 Nov 2026 12:00:05 +0100', undefined],
    ['Sat, 99 Nov 2026 12:00:05 GMT', undefined],
    ['xSat, 21 Nov 2026 12:00:05 GMT', undefined],
    ['Sat, 21 Nov 2026 12:00:05 GMT GMT', undefined],
    ['xSaturday, 21-Nov-26 12:00:05 GMT', undefined],
    ['Saturday, 21-Nov-26 12:00:05 GMT+1', undefined],
    ['xSat Nov 21 12:00:05 2026', undefined],
    ['Sat Nov 21 12:00:05 2026 GMT', undefined],
    ['Sat Nov  7 12:00:05 2026', 0],
    ['x3', undefined],
  ];
  for (const [header, expected] of cases) {
    it(`${header === undefined ? 'no header' : JSON.stringify(header)} is ${expected ?? 'nothing'}`, () => {
      assert.equal(parseRetryAfter(header, NOW), expected);
    });
  }
});

describe('retryAfterOf', () => {
  it('reads the header of an answer', () => {
    assert.equal(retryAfterOf(httpResponse({ headers: { 'retry-after': '3' } }), NOW), 3_000);
    assert.equal(retryAfterOf(httpResponse(), NOW), undefined);
  });
});
