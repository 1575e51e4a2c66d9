import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { validityProblem } from '../../../src/policy/validity.js';

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 10, 21, 12);
const at = (ms: number): string => new Date(NOW + ms).toISOString();

describe('the dates of an order', () => {
  const LIMITS = { maxMs: 90 * DAY_MS, aheadMs: DAY_MS };

  for (const [name, order] of [
    ['none', {}],
    ['now', { notBefore: at(0) }],
    ['a clock behind', { notBefore: at(-299_000) }],
    ['ahead as far as may be', { notBefore: at(DAY_MS) }],
    ['the longest time', { notAfter: at(90 * DAY_MS) }],
    ['the longest time from later', { notBefore: at(DAY_MS), notAfter: at(91 * DAY_MS) }],
    ['a renewal', { 'auto-renewal': { 'end-date': at(90 * DAY_MS), lifetime: 86400 } }],
  ] as const) {
    it(`may be ${name}`, () => {
      assert.equal(validityProblem(order, LIMITS, NOW), undefined);
    });
  }

  for (const [name, order, problem] of [
    ['long past', { notBefore: at(-301_000) }, /in the past/],
    ['too far ahead', { notBefore: at(DAY_MS + 301_000) }, /more than 1 day ahead/],
    ['too long', { notAfter: at(90 * DAY_MS + 1000) }, /more than 90 days/],
    [
      'too long from later',
      { notBefore: at(DAY_MS), notAfter: at(92 * DAY_MS) },
      /more than 90 days/,
    ],
    ['over before it begins', { notAfter: at(-1) }, /not after the beginning/],
    ['over as it begins', { notAfter: at(0) }, /not after the beginning/],
    ['backwards', { notBefore: at(DAY_MS), notAfter: at(1000) }, /not after the beginning/],
    ['no dates', { notBefore: 'x' }, /notBefore that is no date/],
    ['no end', { notAfter: '9999-99-99T00:00:00Z' }, /notAfter that is no date/],
    [
      'a renewal too long',
      { 'auto-renewal': { 'end-date': at(91 * DAY_MS), lifetime: 86400 } },
      /more than 90 days/,
    ],
    [
      'a renewal in the past',
      { 'auto-renewal': { 'start-date': at(-DAY_MS), 'end-date': at(DAY_MS), lifetime: 86400 } },
      /in the past/,
    ],
    [
      'both',
      { notAfter: at(DAY_MS), 'auto-renewal': { 'end-date': at(DAY_MS), lifetime: 86400 } },
      /beside auto-renewal/,
    ],
  ] as const) {
    it(`may not be ${name}`, () => {
      assert.match(validityProblem(order, LIMITS, NOW) ?? 'allowed', problem);
    });
  }

  it('may not be any when the policy says nothing', () => {
    assert.equal(validityProblem({}, undefined, NOW), undefined);
    for (const order of [
      { notBefore: at(0) },
      { notAfter: at(DAY_MS) },
      { 'auto-renewal': { 'end-date': at(DAY_MS), lifetime: 1 } },
    ]) {
      assert.match(validityProblem(order, undefined, NOW) ?? '', /name dates/);
    }
  });

  it('may be a beginning alone when only that is limited', () => {
    const limits = { maxMs: undefined, aheadMs: DAY_MS };
    assert.equal(validityProblem({ notBefore: at(DAY_MS) }, limits, NOW), undefined);
    assert.match(validityProblem({ notAfter: at(1000) }, limits, NOW) ?? '', /name a notAfter/);
  });

  it('may only be an end when only that is limited', () => {
    const limits = { maxMs: DAY_MS, aheadMs: 0 };
    assert.equal(validityProblem({ notAfter: at(1000) }, limits, NOW), undefined);
    assert.match(
      validityProblem({ notBefore: at(DAY_MS) }, limits, NOW) ?? '',
      /notBefore in the future/,
    );
  });
});
