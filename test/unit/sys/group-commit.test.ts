import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { GroupCommit } from '../../../src/sys/group-commit.js';

/** Writes into a list of groups, synchronously. */
function synchronous(): { commit: GroupCommit<string>; groups: string[][] } {
  const groups: string[][] = [];
  const commit = new GroupCommit<string>((group) => {
    groups.push(group.map(({ item }) => item));
    return undefined;
  });
  return { commit, groups };
}

/** Writes that end when the test says so. */
function pending(isSerial: boolean) {
  const groups: string[][] = [];
  const ends: PromiseWithEnds[] = [];
  const commit = new GroupCommit<string>(
    (group) => {
      groups.push(group.map(({ item }) => item));
      return new Promise((resolve, reject) => {
        ends.push({ resolve, reject });
      });
    },
    { isSerial },
  );
  return { commit, groups, ends };
}

interface PromiseWithEnds {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The names of what has settled so far, as `name` or `name failed`. */
function settledOf(promises: Readonly<Record<string, Promise<void>>>): string[] {
  const settled: string[] = [];
  for (const [name, promise] of Object.entries(promises)) {
    promise.then(
      () => settled.push(name),
      () => settled.push(`${name} failed`),
    );
  }
  return settled;
}

describe('GroupCommit', () => {
  it('writes the items of one turn of the event loop in one group, in their order', async () => {
    const { commit, groups } = synchronous();
    const all = [commit.add('a'), commit.add('b')];
    assert.deepEqual(groups, [], 'not before the turn ends');
    await Promise.all(all);
    assert.deepEqual(groups, [['a', 'b']]);
    await commit.add('c');
    assert.deepEqual(groups, [['a', 'b'], ['c']]);
  });

  it('writes an item that is alone at once, after what waits already', async () => {
    const { commit, groups } = synchronous();
    const all = [commit.add('a'), commit.add('b', true)];
    assert.deepEqual(groups, [['a', 'b']]);
    await Promise.all(all);
    await nextTurn();
    assert.deepEqual(groups, [['a', 'b']], 'an empty group is not written');
  });

  it('writes at once what waits when it is flushed', () => {
    const { commit, groups } = synchronous();
    commit.flush();
    void commit.add('a');
    commit.flush();
    assert.deepEqual(groups, [['a']]);
  });

  it('fails every item of a group whose write throws, and goes on with the next one', async () => {
    let isBroken = true;
    const commit = new GroupCommit(() => {
      if (isBroken) {
        throw new Error('no room');
      }
      return undefined;
    });
    const [a, b] = await Promise.allSettled([commit.add('a'), commit.add('b')]);
    assert.equal(a.status, 'rejected');
    assert.equal(b.status, 'rejected');
    isBroken = false;
    await commit.add('c');
  });

  it('fails an item alone that the write rejects', async () => {
    const commit = new GroupCommit<string>((group) => {
      group.find(({ item }) => item === 'b')?.reject(new Error('too long'));
      return undefined;
    });
    const results = await Promise.allSettled(['a', 'b', 'c'].map((item) => commit.add(item)));
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  });

  it('settles a group when its write has ended, and not before', async () => {
    const { commit, ends } = pending(false);
    const settled = settledOf({ a: commit.add('a', true), b: commit.add('b', true) });
    await nextTurn();
    assert.deepEqual(settled, []);
    ends[1]?.resolve();
    await nextTurn();
    assert.deepEqual(settled, ['b']);
    ends[0]?.reject(new Error('EIO'));
    await nextTurn();
    assert.deepEqual(settled, ['b', 'a failed']);
  });

  it('has one write at a time where it is serial: what comes meanwhile shares the next', async () => {
    const { commit, groups, ends } = pending(true);
    const settled = settledOf({ a: commit.add('a', true) });
    const others = settledOf({ b: commit.add('b'), c: commit.add('c', true) });
    await nextTurn();
    assert.deepEqual(groups, [['a']]);
    ends[0]?.reject(new Error('EIO'));
    await nextTurn();
    assert.deepEqual(groups, [['a'], ['b', 'c']]);
    assert.deepEqual([...settled, ...others], ['a failed']);
    ends[1]?.resolve();
    await nextTurn();
    assert.deepEqual(others, ['b', 'c']);
    const again = commit.add('d', true);
    ends[2]?.resolve();
    await again;
  });

  it('is idle when nothing waits and no write runs', async () => {
    const { commit, groups, ends } = pending(true);
    const added = settledOf({ a: commit.add('a'), b: commit.add('b') });
    const idle = settledOf({ idle: commit.whenIdle() });
    assert.deepEqual(groups, [['a', 'b']], 'what waits is written first');
    const late = settledOf({ c: commit.add('c') });
    await nextTurn();
    ends[0]?.resolve();
    await nextTurn();
    assert.deepEqual([...added, ...idle], ['a', 'b']);
    ends[1]?.resolve();
    await nextTurn();
    assert.deepEqual([...late, ...idle], ['c', 'idle']);
    await commit.whenIdle();
  });
});
