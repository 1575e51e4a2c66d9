// Percentiles by nearest rank, and a histogram whose buckets leave no gap.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatLatencies, reportOfLatencies } from '../../../../src/cli/key/latency.js';

describe('latency report', () => {
  it('takes percentiles by nearest rank', () => {
    const times = Array.from({ length: 100 }, (_, at) => 100 - at);
    const { histogram, ...numbers } = reportOfLatencies(times);
    assert.deepEqual(numbers, {
      minMs: 1,
      p50Ms: 50,
      p90Ms: 90,
      p99Ms: 99,
      maxMs: 100,
      perSecond: 19.802,
    });
    assert.deepEqual(histogram.slice(0, 3), [
      { upToMs: 1, count: 1 },
      { upToMs: 2, count: 1 },
      { upToMs: 4, count: 2 },
    ]);
  });

  it('counts every time once, within its bounds, whatever the times are', () => {
    const time = fc.double({ min: 0, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(time, { minLength: 1 }), (times) => {
        const { histogram } = reportOfLatencies(times);
        assert.equal(
          histogram.reduce((sum, { count }) => sum + count, 0),
          times.length,
        );
        let below = 0;
        for (const { upToMs, count } of histogram) {
          assert.equal(
            count,
            times.filter((t) => t <= upToMs && (t > below || below === 0)).length,
          );
          below = upToMs;
        }
      }),
    );
  });

  it('is shown with a bar for each bucket', () => {
    const text = formatLatencies(reportOfLatencies([0.1, 0.1, 3]));
    assert.match(text, /^latency: +min 0\.1, p50 0\.1, p90 3, p99 3, max 3 ms$/m);
    assert.match(text, /^ +<= 0\.125 ms +2 {2}#{40}$/m);
    assert.match(text, /^ +<= 0\.25 ms +0$/m);
    assert.match(text, /^ +<= 4 ms +1 {2}#{20}$/m);
  });
});
