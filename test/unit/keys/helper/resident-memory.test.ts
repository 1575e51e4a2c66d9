import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryWatch, readResidentBytes } from '../../../../src/keys/helper/resident-memory.js';
import { ManualTimers } from '../../../support/manual-timers.js';

describe('readResidentBytes', () => {
  it('returns about as much as the process knows of itself', () => {
    const bytes = readResidentBytes(process.pid);
    const own = process.memoryUsage().rss;
    assert.ok(bytes !== undefined && bytes > own / 2 && bytes < own * 2, `${bytes} and ${own}`);
  });

  it('returns nothing of a process that has ended', () => {
    assert.equal(readResidentBytes(2 ** 22 + 1), undefined); // more than any process ID, proc(5)
  });
});

describe('MemoryWatch', () => {
  function newBed(): {
    watch: MemoryWatch;
    timers: ManualTimers;
    memory: { bytes: number | undefined };
    reads: number[];
  } {
    const [timers, memory, reads] = [new ManualTimers(), { bytes: 0 }, [] as number[]];
    const readBytes = (pid: number): number | undefined => {
      reads.push(pid);
      return memory.bytes;
    };
    return {
      watch: new MemoryWatch({ timers, limitBytes: 100, readBytes }),
      timers,
      memory,
      reads,
    };
  }

  it('reads once a second at most, and nothing where no process runs', async () => {
    const { watch, timers, reads } = newBed();
    watch.check(undefined);
    watch.check(7);
    watch.check(7);
    await timers.advance(1000);
    watch.check(7);
    assert.deepEqual(reads, [7]);
    await timers.advance(1);
    watch.check(8);
    assert.deepEqual(reads, [7, 8]);
  });

  it('is exceeded beyond the limit, until the helper is replaced', async () => {
    const { watch, timers, memory, reads } = newBed();
    memory.bytes = 100;
    watch.check(7);
    assert.ok(!watch.isExceeded);
    memory.bytes = 101;
    await timers.advance(1001);
    watch.check(7);
    assert.ok(watch.isExceeded);
    memory.bytes = 0;
    await timers.advance(1001);
    watch.check(7);
    assert.ok(watch.isExceeded, 'it has grown; that is not taken back');
    assert.equal(reads.length, 2);
    watch.reset();
    assert.ok(!watch.isExceeded);
  });

  it('takes a process that has ended for a small one', () => {
    const { watch, memory } = newBed();
    memory.bytes = undefined;
    watch.check(7);
    assert.ok(!watch.isExceeded);
  });
});
