// Runs in clavigerd and `clavigerd key`: how much memory a token helper has. PKCS#11 modules leak;
// a helper that grew beyond the limit is replaced.

import { readFileSync } from 'node:fs';
import type { Timers } from '../../lib/timers.js';

/** Bytes of a kB in /proc. */
const KIB = 1024;
/** A helper at work is looked at once in this time. */
const CHECK_INTERVAL_MS = 1_000;

/** Resident bytes of a process, by proc(5); undefined when the process has ended. */
export function readResidentBytes(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return kib === undefined ? undefined : Number(kib) * KIB;
  } catch {
    return undefined;
  }
}

export interface MemoryWatchOptions {
  readonly timers: Timers;
  readonly limitBytes: number;
  readonly readBytes: (pid: number) => number | undefined;
}

/** Watches the helpers of one worker, one after another. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #checkedAt = -Infinity;
  #isExceeded = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  /** True from the check that finds the limit exceeded until `reset`. */
  get isExceeded(): boolean {
    return this.#isExceeded;
  }

  /** Looks at the memory, unless that was done a moment ago. @param pid undefined: none runs */
  check(pid: number | undefined): void {
    const { timers, limitBytes, readBytes } = this.#options;
    const now = timers.now();
    if (pid === undefined || this.#isExceeded || now - this.#checkedAt <= CHECK_INTERVAL_MS) {
      return;
    }
    this.#checkedAt = now;
    this.#isExceeded = (readBytes(pid) ?? 0) > limitBytes;
  }

  /** The helper has been replaced. */
  reset(): void {
    this.#isExceeded = false;
  }
}
