// Tables: columns that line up, and cells that say nothing to a terminal.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatRow, formatTable } from '../../../src/lib/table.js';

describe('a table', () => {
  it('makes each column as wide as its widest cell, and ends lines without blanks', () => {
    const lines = formatTable(
      ['A', 'LONG HEAD', 'C'],
      [
        ['wide cell', 'b', ''],
        ['a', 'b', 'c'],
      ],
    );
    assert.deepEqual(lines, [
      'A          LONG HEAD  C',
      'wide cell  b          -',
      'a          b          c',
    ]);
  });

  it('escapes what a terminal would obey, and cuts what is too long', () => {
    assert.deepEqual(formatTable(['A'], [['\u001b[2J'], ['12345']], 4), [
      'A',
      '\\u001b[2J',
      '1234…',
    ]);
  });

  it('has its head alone where there is no row', () => {
    assert.deepEqual(formatTable(['A', 'B'], []), ['A  B']);
  });
});

describe('a row', () => {
  it('is padded to the widths it is given; a longer cell moves the rest', () => {
    assert.equal(formatRow(['a', 'longer', 'c'], [3, 4]), 'a    longer  c');
  });
});
