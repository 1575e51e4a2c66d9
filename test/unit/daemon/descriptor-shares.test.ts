import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shareDescriptors } from '../../../src/daemon/descriptor-shares.js';

describe('shareDescriptors', () => {
  const share = (limit: number, connections: readonly number[], helpers = 0): readonly number[] =>
    shareDescriptors({ limit, open: 20, helpers, connections });

  it('gives what is wanted where it fits', () => {
    assert.deepEqual(share(1024, [256, 256]), [256, 256]);
    assert.deepEqual(share(20 + 16 + 2 + 5, [5]), [5]);
    assert.deepEqual(share(20 + 16 + 2 + 4, [5]), [4]);
  });

  it('shares equally what does not, but for those who want less', () => {
    assert.deepEqual(share(64, [256, 256]), [12, 12]);
    assert.deepEqual(share(64, [256, 2, 256]), [10, 2, 10]);
    assert.deepEqual(share(1000, [10_000, 1]), [959, 1]);
  });

  it('keeps some for each helper', () => {
    assert.deepEqual(share(64, [256, 256], 2), [6, 6]);
  });

  it('gives everybody one, however few there are', () => {
    assert.deepEqual(share(10, [256, 256, 3]), [1, 1, 1]);
  });

  it('never gives more than there are, nor less to one who wants as much as another', () => {
    for (let limit = 60; limit < 400; limit += 7) {
      const wanted = [3, 256, 17, 256, 40];
      const got = share(limit, wanted, 1);
      const sum = got.reduce((total, each) => total + each, 0);
      const room = Math.max(limit - 20 - 16 - 6 - 2 * wanted.length, wanted.length);
      assert.ok(sum <= room, `${limit}: ${got.join(' ')}`);
      assert.ok(got.every((each, at) => each >= 1 && each <= (wanted[at] ?? 0)));
      assert.ok(Math.abs((got[1] ?? 0) - (got[3] ?? 0)) <= 1);
      assert.ok((got[0] ?? 0) <= (got[2] ?? 0) && (got[2] ?? 0) <= (got[4] ?? 0));
    }
  });
});
