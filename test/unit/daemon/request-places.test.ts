import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  limitPlaces,
  RequestPlaces,
  type PlaceHolder,
} from '../../../src/daemon/request-places.js';

const LINE = 500;

function makeBed(requests: number, bytes = 4096 * requests) {
  const places = new RequestPlaces({ requests, bytes });
  const told: string[] = [];
  const holder = (name: string): PlaceHolder => ({
    requests: 0,
    bytes: 0,
    onPlace: () => {
      told.push(name);
    },
  });
  /** Takes as many as it gets. */
  const fill = (one: PlaceHolder, most: number, length = LINE): number => {
    let taken = 0;
    while (taken < most && places.tryTake(one, length)) {
      taken += 1;
    }
    return taken;
  };
  return { places, told, holder, fill };
}

describe('RequestPlaces', () => {
  it('has as many as are allowed, and one again for each that is given back', () => {
    const { places, told, holder, fill } = makeBed(3);
    const one = holder('one');
    assert.equal(fill(one, 10), 3);
    assert.deepEqual(told, [], 'it is not told: it has some itself');
    places.release(one, LINE);
    assert.equal(fill(one, 10), 1);
    assert.equal(one.requests, 3);
  });

  it('keeps nobody out for long who has none: 34 connections that want all of 1,024', () => {
    const { places, told, holder, fill } = makeBed(1024);
    const crowd = Array.from({ length: 34 }, (_, at) => holder(`crowd ${at}`));
    for (let round = 0; round < 32; round += 1) {
      crowd.forEach((each) => places.tryTake(each, LINE));
    }
    const taken = crowd.reduce((sum, { requests }) => sum + requests, 0);
    assert.ok(taken > 900, `${taken} of 1,024 are used`);
    const neighbour = holder('neighbour');
    if (!places.tryTake(neighbour, LINE)) {
      places.release(crowd[0] ?? neighbour, LINE);
      assert.deepEqual(told, ['neighbour']);
      assert.ok(places.tryTake(neighbour, LINE), 'after one answer at the latest');
    }
    assert.equal(fill(crowd[0] ?? neighbour, 5), 0, 'who has more than a share gets none');
  });

  it('serves those without one in the order in which they came', () => {
    const { places, told, holder } = makeBed(1);
    const [a, b, c] = [holder('a'), holder('b'), holder('c')];
    assert.ok(places.tryTake(a, LINE));
    assert.ok(!places.tryTake(b, LINE));
    assert.ok(!places.tryTake(c, LINE));
    places.release(a, LINE);
    assert.deepEqual(told, ['b']);
    assert.ok(!places.tryTake(c, LINE), 'not before the first');
    assert.ok(!places.tryTake(a, LINE));
    assert.ok(places.tryTake(b, LINE));
    places.release(b, LINE);
    assert.deepEqual(told, ['b', 'c']);
  });

  it('passes on a place that whoever was told of it does not want', () => {
    const { places, told, holder } = makeBed(2);
    const [a, b, c, d] = [holder('a'), holder('b'), holder('c'), holder('d')];
    assert.ok(places.tryTake(a, LINE) && places.tryTake(b, LINE));
    assert.ok(!places.tryTake(c, LINE) && !places.tryTake(d, LINE));
    places.release(a, LINE);
    places.leave(c);
    assert.deepEqual(told, ['c', 'd']);
    assert.ok(places.tryTake(d, LINE));
  });

  it('tells the next at once where two places have become free', () => {
    const { places, told, holder } = makeBed(2);
    const [a, b, c] = [holder('a'), holder('b'), holder('c')];
    assert.ok(places.tryTake(a, LINE) && places.tryTake(a, LINE));
    assert.ok(!places.tryTake(b, LINE) && !places.tryTake(c, LINE));
    places.release(a, LINE);
    places.release(a, LINE);
    assert.ok(places.tryTake(b, LINE));
    assert.equal(told.at(-1), 'c');
    assert.ok(places.tryTake(c, LINE));
  });

  it('counts bytes: requests of 32 KiB take the places of many, and one that is alone always has one', () => {
    const { holder, fill } = makeBed(1024, 4 * 1024 * 1024);
    assert.equal(fill(holder('big'), 1000, 32 * 1024), 128);
    const small = makeBed(1);
    assert.equal(small.fill(small.holder('big'), 10, 32 * 1024), 1);
  });

  it('does not let small requests pass a large one by for ever', () => {
    const { places, told, holder, fill } = makeBed(8, 4096);
    const [a, big, c] = [holder('a'), holder('big'), holder('c')];
    assert.equal(fill(a, 8), 8);
    assert.ok(!places.tryTake(big, 4000));
    for (let count = 0; count < 7; count += 1) {
      places.release(a, LINE);
      assert.ok(!places.tryTake(c, LINE), 'the large one came first');
      assert.ok(!places.tryTake(big, 4000));
    }
    places.release(a, LINE);
    assert.ok(places.tryTake(big, 4000));
    assert.equal(told.at(-1), 'c');
  });
});

describe('limitPlaces', () => {
  it('allows 4 KiB a request, and in the whole daemon 4 MiB', () => {
    assert.deepEqual(limitPlaces(1024, 1), { requests: 1024, bytes: 4 * 1024 * 1024 });
    assert.deepEqual(limitPlaces(100_000, 1), { requests: 100_000, bytes: 4 * 1024 * 1024 });
    assert.deepEqual(limitPlaces(1024, 64), { requests: 1024, bytes: 64 * 1024 });
  });
});
