import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TurnScheduler, type TurnTaker } from '../../../src/daemon/turn-scheduler.js';
import { clientOf } from '../../support/daemon/clients.js';

const TURN_MS = 2;

/** A scheduler on a clock that only work moves, and an event loop that goes round by hand. */
function makeBed() {
  let now = 0;
  const deferred: (() => void)[] = [];
  /** Of the turn of the event loop: who worked, in order. */
  let worked: string[] = [];
  const scheduler = new TurnScheduler({
    now: () => now,
    defer: (callback) => {
      deferred.push(callback);
    },
  });
  return {
    scheduler,
    /** One that has so many requests, each of which costs so many milliseconds. */
    worker(path: string, requests: number, costMs: number): TurnTaker {
      let left = requests;
      return {
        client: clientOf(path),
        takeTurn: () => {
          worked.push(path);
          left -= 1;
          now += costMs;
          return left > 0;
        },
      };
    },
    /** Goes round once; gives what was done and how long it took. */
    round(): { readonly worked: readonly string[]; readonly ms: number } {
      worked = [];
      const begun = now;
      const due = deferred.splice(0);
      assert.ok(due.length <= 1, 'nothing is deferred twice');
      due[0]?.();
      return { worked, ms: now - begun };
    },
  };
}

describe('TurnScheduler', () => {
  it('ends a turn of the event loop after 2 ms and the request in hand, whatever is asked', () => {
    for (const costMs of [0.01, 0.5, 1.9, 7]) {
      const bed = makeBed();
      for (let at = 0; at < 250; at += 1) {
        bed.scheduler.wake(bed.worker(`flood/${at}`, 64, costMs));
      }
      let done = 0;
      while (done < 250 * 64) {
        const { worked, ms } = bed.round();
        done += worked.length;
        assert.ok(worked.length > 0);
        assert.ok(ms < TURN_MS + costMs + 1e-6, `${ms} ms`);
      }
      assert.deepEqual(bed.round().worked, [], 'it rests');
    }
  });

  it('lets a listener that comes later wait for one request of each other listener', () => {
    const bed = makeBed();
    for (let at = 0; at < 64; at += 1) {
      bed.scheduler.wake(bed.worker(`flood/${at}`, 64, 3));
      bed.scheduler.wake(bed.worker(`other/${at}`, 64, 3));
    }
    bed.round();
    bed.scheduler.wake(bed.worker('honest/1', 1, 1));
    const next = [bed.round(), bed.round(), bed.round()].flatMap(({ worked }) => worked);
    assert.deepEqual(next.slice(0, 3), ['other/0', 'flood/1', 'honest/1']);
  });

  it('gives a connection one request a turn, and its neighbours theirs in between', () => {
    const bed = makeBed();
    bed.scheduler.wake(bed.worker('1', 3, 0.1));
    bed.scheduler.wake(bed.worker('2', 1, 0.1));
    bed.scheduler.wake(bed.worker('3', 2, 0.1));
    assert.deepEqual(bed.round().worked, ['1', '2', '3', '1', '3', '1']);
  });

  it('does not work in the middle of what wakes it, and not twice for one that is woken twice', () => {
    const bed = makeBed();
    const worker = bed.worker('1', 1, 0.1);
    bed.scheduler.wake(worker);
    bed.scheduler.wake(worker);
    assert.deepEqual(bed.round().worked, ['1']);
    assert.deepEqual(bed.round().worked, []);
    bed.scheduler.wake(worker);
    assert.deepEqual(bed.round().worked, ['1']);
  });
});
