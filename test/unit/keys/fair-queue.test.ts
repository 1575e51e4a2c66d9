import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FairQueue } from '../../../src/keys/fair-queue.js';

function takeAll(queue: FairQueue<string>): string[] {
  return Array.from({ length: queue.length }, () => queue.shift() ?? 'nothing');
}

describe('FairQueue', () => {
  it('serves clients in turn, each in its own order', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) {
      queue.push(item.slice(0, 1), item);
    }
    assert.equal(queue.length, 6);
    assert.deepEqual(takeAll(queue), ['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
    assert.equal(queue.shift(), undefined);
  });

  it('puts a client that comes later behind those that wait, not behind all they ask for', () => {
    const queue = new FairQueue<string>();
    for (let count = 0; count < 100; count += 1) {
      queue.push('flood', `f${count}`);
    }
    assert.equal(queue.shift(), 'f0');
    queue.push('late', 'l0');
    assert.deepEqual([queue.shift(), queue.shift(), queue.shift()], ['f1', 'l0', 'f2']);
  });

  it('lets go of one client, or of all', () => {
    const queue = new FairQueue<string>();
    queue.push('a', 'a1');
    queue.push('b', 'b1');
    queue.push('a', 'a2');
    assert.deepEqual(queue.remove('a'), ['a1', 'a2']);
    assert.deepEqual(queue.remove('a'), []);
    queue.push('c', 'c1');
    assert.deepEqual(queue.drain(), ['b1', 'c1']);
    assert.equal(queue.length, 0);
    queue.push('a', 'a3');
    assert.deepEqual(takeAll(queue), ['a3']);
  });
});
