// The reserve: disk space that is kept for the records of signatures. Runs in clavigerd. When less
// is free, refusals are no longer recorded, so that clients cannot fill the disk with them. Where
// the file system does not report its free space, there is assumed to be enough: a write that fails
// stops the signature anyway.

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../lib/clock.js';

const MIB = 1024 * 1024;
const DEFAULT_BYTES = 16 * MIB;
/** The largest part of a file system that the default keeps. */
const DEFAULT_SHARE = 0.1;
/** How long the answer of the file system is used. */
const CACHE_MS = 250;

export class AuditReserve {
  readonly #directory: string;
  readonly #mib: number | undefined;
  readonly #clock: Clock;
  #checkedAt = -Infinity;
  #hasRoom = true;

  /**
   * @param path of the audit log
   * @param mib what to keep; undefined keeps 16 MiB, or a tenth of a file system that is smaller
   *   than 160 MiB
   */
  constructor(path: string, mib: number | undefined, clock: Clock) {
    this.#directory = dirname(path);
    this.#mib = mib;
    this.#clock = clock;
  }

  /** False when the free space is reserved for signatures. */
  hasRoom(): boolean {
    const now = this.#clock.now();
    if (Math.abs(now - this.#checkedAt) >= CACHE_MS) {
      this.#checkedAt = now;
      this.#hasRoom = this.#check();
    }
    return this.#hasRoom;
  }

  #check(): boolean {
    try {
      const { bavail, blocks, bsize } = statfsSync(this.#directory);
      const least = Math.min(DEFAULT_BYTES, blocks * bsize * DEFAULT_SHARE);
      const kept = this.#mib === undefined ? least : this.#mib * MIB;
      return bavail * bsize >= kept;
    } catch {
      return true;
    }
  }
}
