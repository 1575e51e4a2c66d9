import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readResidentBytes } from '../../../../src/keys/helper/memory.js';

describe('readResidentBytes', () => {
  it('tells about as much as the process knows of itself', () => {
    const told = readResidentBytes(process.pid);
    const own = process.memoryUsage().rss;
    assert.ok(told !== undefined && told > own / 2 && told < own * 2, `${told} and ${own}`);
  });

  it('tells nothing of a process that is gone', () => {
    assert.equal(readResidentBytes(2 ** 22 + 1), undefined); // more than any process ID, proc(5)
  });
});
