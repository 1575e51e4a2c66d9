import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FairQueue } from '../../../src/keys/fair-queue.js';
import { clientOf } from '../../support/daemon/clients.js';

function takeAll(queue: FairQueue<string>): string[] {
  return Array.from({ length: queue.length }, () => queue.shift() ?? 'nothing');
}

describe('FairQueue', () => {
  it('serves connections in turn, each in its own order', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) {
      queue.push(clientOf(item.slice(0, 1)), item);
    }
    assert.equal(queue.length, 6);
    assert.deepEqual(takeAll(queue), ['a1', 'b1', 'c1', 'a2', 'c2', 'a3']);
    assert.equal(queue.shift(), undefined);
  });

  it('serves accounts in turn, within one its listeners, within one of those its connections', () => {
    const queue = new FairQueue<string>();
    for (const path of ['A/m/1', 'A/m/2', 'A/m/3', 'A/n/1', 'A/n/1', 'B/o/1', 'B/o/2']) {
      queue.push(clientOf(path), path);
    }
    assert.deepEqual(takeAll(queue), [
      ...['A/m/1', 'B/o/1', 'A/n/1', 'B/o/2', 'A/m/2', 'A/n/1', 'A/m/3'],
    ]);
  });

  it('puts a listener that comes later behind one item of each other, however many connections that has', () => {
    const queue = new FairQueue<string>();
    for (let count = 0; count < 250; count += 1) {
      queue.push(clientOf(`flood/${count}`), 'flood');
      queue.push(clientOf(`other/${count}`), 'other');
    }
    assert.equal(queue.shift(), 'flood');
    queue.push(clientOf('late/1'), 'late');
    assert.deepEqual([queue.shift(), queue.shift(), queue.shift()], ['other', 'flood', 'late']);
  });

  it('lets nobody wait for more than one item of each other listener and connection, in whatever order they come', () => {
    const path = fc.constantFrom('A/m/1', 'A/m/2', 'A/n/1', 'B/o/1', 'B/o/2', 'B/p/1');
    fc.assert(
      fc.property(fc.array(path, { maxLength: 60 }), fc.nat(20), (paths, taken) => {
        const queue = new FairQueue<string>();
        for (const each of paths) {
          queue.push(clientOf(each), each);
        }
        for (let count = 0; count < Math.min(taken, paths.length); count += 1) {
          queue.shift();
        }
        queue.push(clientOf('C/q/1'), 'new account');
        queue.push(clientOf('A/r/1'), 'new listener');
        const order = takeAll(queue);
        assert.ok(order.indexOf('new account') <= 2, 'after one of each other account');
        // Of its own account's turns it gets the third at the latest, and other accounts have one
        // between two.
        assert.ok(order.indexOf('new listener') <= 8);
      }),
    );
  });

  it('lets go of one connection, or of all', () => {
    const queue = new FairQueue<string>();
    queue.push(clientOf('a'), 'a1');
    queue.push(clientOf('b'), 'b1');
    queue.push(clientOf('a'), 'a2');
    assert.deepEqual(queue.remove(clientOf('a')), ['a1', 'a2']);
    assert.deepEqual(queue.remove(clientOf('a')), []);
    queue.push(clientOf('other/c'), 'c1');
    assert.deepEqual(queue.drain(), ['b1', 'c1']);
    assert.equal(queue.length, 0);
    queue.push(clientOf('a'), 'a3');
    assert.deepEqual(takeAll(queue), ['a3']);
    queue.push(clientOf('a'), 'a4');
    assert.deepEqual(queue.remove(clientOf('a')), ['a4']);
    assert.equal(queue.shift(), undefined, 'nobody is left in turn');
  });

  it('counts its items through every change', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a', 'a', 'b']) {
      queue.push(clientOf(item), item);
    }
    assert.equal(queue.length, 3);
    queue.shift();
    assert.equal(queue.length, 2);
    queue.remove(clientOf('a'));
    assert.equal(queue.length, 1);
    queue.shift();
    queue.shift();
    assert.equal(queue.length, 0);
  });
});
