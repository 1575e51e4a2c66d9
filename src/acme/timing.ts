// Time for the ACME core: a clock and a wait, injected so that tests need no real time. Runs in
// claviger.

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../lib/clock.js';
import { systemClock } from '../lib/clock.js';

export interface Timing extends Clock {
  /** Waits that many milliseconds; throws the signal's reason when it is aborted meanwhile. */
  sleep(ms: number): Promise<void>;
}

export function systemTiming(signal: AbortSignal): Timing {
  return {
    now: () => systemClock.now(),
    sleep: async (ms) => {
      try {
        await delay(ms, undefined, { signal });
      } finally {
        signal.throwIfAborted();
      }
    },
  };
}
