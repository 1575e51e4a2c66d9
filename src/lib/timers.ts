// A steady clock and its timers as a parameter, so that tests own them. Runs in every process;
// keeps no state of its own.

import { performance } from 'node:perf_hooks';

export interface Timer {
  /** The callback is not called any more. Safe to call twice, and afterwards. */
  cancel(): void;
}

export interface Timers {
  /** Milliseconds from some start, which never go back when somebody sets the time. */
  now(): number;

  /**
   * Calls back once.
   * @param keepsProcess false lets the process end meanwhile; default true
   */
  after(ms: number, callback: () => void, keepsProcess?: boolean): Timer;
}

export const systemTimers: Timers = {
  now: () => performance.now(),
  after: (ms, callback, keepsProcess = true) => {
    const timeout = setTimeout(callback, ms);
    if (!keepsProcess) {
      timeout.unref();
    }
    return {
      cancel: () => {
        clearTimeout(timeout);
      },
    };
  },
};
