// Time for the ACME core: a clock that can also wait. Injected, so that tests own it.

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../lib/clock.js';
import { systemClock } from '../lib/clock.js';

export interface Timing extends Clock {
  /** Waits that many milliseconds; throws the reason when the work is aborted meanwhile. */
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
