import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readNumber, type NumberRule } from '../../../../src/lib/json/json-number.js';

const NO_VALUE = 'json: no value';
const NOT_EXACT = 'json: a number that readers may hold for different ones';
const LEADING_ZERO = 'json: a number that begins with a zero';

/** What each rule makes of a literal: its value, or the message of the error. */
const LITERALS: Readonly<Record<string, Readonly<Record<NumberRule, number | string>>>> = {
  '0': { integers: 0, decimals: 0, all: 0 },
  '-0': { integers: NOT_EXACT, decimals: NOT_EXACT, all: -0 },
  '7': { integers: 7, decimals: 7, all: 7 },
  '-7': { integers: -7, decimals: -7, all: -7 },
  '10': { integers: 10, decimals: 10, all: 10 },
  '9007199254740991': { integers: 2 ** 53 - 1, decimals: 2 ** 53 - 1, all: 2 ** 53 - 1 },
  '-9007199254740991': { integers: 1 - 2 ** 53, decimals: 1 - 2 ** 53, all: 1 - 2 ** 53 },
  '9007199254740992': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 2 ** 53 },
  '9007199254740993': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 2 ** 53 },
  '1.5': { integers: NOT_EXACT, decimals: 1.5, all: 1.5 },
  '1.0': { integers: NOT_EXACT, decimals: 1, all: 1 },
  '-0.0': { integers: NOT_EXACT, decimals: NOT_EXACT, all: -0 },
  '-0.5': { integers: NOT_EXACT, decimals: -0.5, all: -0.5 },
  '0.12345678901234': { integers: NOT_EXACT, decimals: 0.12345678901234, all: 0.12345678901234 },
  '0.123456789012345': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 0.123456789012345 },
  '12345678901234.5': { integers: NOT_EXACT, decimals: 12345678901234.5, all: 12345678901234.5 },
  '123456789012345.5': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 123456789012345.5 },
  '-12345678901234.5': { integers: NOT_EXACT, decimals: -12345678901234.5, all: -12345678901234.5 },
  '1e2': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 100 },
  '1E2': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 100 },
  '1e+2': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 100 },
  '1.5e-1': { integers: NOT_EXACT, decimals: NOT_EXACT, all: 0.15 },
  '1e999': { integers: NOT_EXACT, decimals: NOT_EXACT, all: Infinity },
  '1e': { integers: NOT_EXACT, decimals: NOT_EXACT, all: NO_VALUE },
  '1e+': { integers: NOT_EXACT, decimals: NOT_EXACT, all: NO_VALUE },
  '1e*2': { integers: NOT_EXACT, decimals: NOT_EXACT, all: NO_VALUE },
  '01': { integers: LEADING_ZERO, decimals: LEADING_ZERO, all: LEADING_ZERO },
  '-01': { integers: LEADING_ZERO, decimals: LEADING_ZERO, all: LEADING_ZERO },
  '00.5': { integers: LEADING_ZERO, decimals: LEADING_ZERO, all: LEADING_ZERO },
  '': { integers: NO_VALUE, decimals: NO_VALUE, all: NO_VALUE },
  '-': { integers: NO_VALUE, decimals: NO_VALUE, all: NO_VALUE },
  '+1': { integers: NO_VALUE, decimals: NO_VALUE, all: NO_VALUE },
  '.5': { integers: NO_VALUE, decimals: NO_VALUE, all: NO_VALUE },
  '5.': { integers: NO_VALUE, decimals: NO_VALUE, all: NO_VALUE },
  '/': { integers: NO_VALUE, decimals: NO_VALUE, all: NO_VALUE },
  ':': { integers: NO_VALUE, decimals: NO_VALUE, all: NO_VALUE },
};

describe('readNumber', () => {
  for (const rule of ['integers', 'decimals', 'all'] as const) {
    for (const [literal, expected] of Object.entries(LITERALS)) {
      const wanted = expected[rule];
      it(`reads ${JSON.stringify(literal)} by the rule ${rule} as ${String(wanted)}`, () => {
        const read = (): unknown => readNumber(`[${literal}]`, 1, rule);
        if (typeof wanted === 'string') {
          assert.throws(read, { code: 'LIB_JSON', message: wanted });
        } else {
          assert.deepEqual(read(), { value: wanted, end: 1 + literal.length });
        }
      });
    }
  }

  it('reads up to the end of the text, and no further than the number', () => {
    assert.deepEqual(readNumber('12', 0, 'integers'), { value: 12, end: 2 });
    assert.deepEqual(readNumber('12x', 0, 'all'), { value: 12, end: 2 });
    assert.deepEqual(readNumber('1-2', 0, 'all'), { value: 1, end: 1 });
    assert.deepEqual(readNumber('1/2', 0, 'decimals'), { value: 1, end: 1 });
    assert.deepEqual(readNumber('1:2', 0, 'integers'), { value: 1, end: 1 });
  });
});
