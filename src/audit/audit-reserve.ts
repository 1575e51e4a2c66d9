// Room on the disk of the audit log that is kept for signatures: below it refusals are no longer
// written. Runs in the daemon. A file system that does not say what is free has room: the write
// itself will tell.

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../lib/clock.js';

const MIB = 1024 * 1024;
const DEFAULT_BYTES = 16 * MIB;
/** Of a small file system, what the default keeps. */
const DEFAULT_SHARE = 0.1;
/** How long an answer of the file system holds. */
const LOOK_MS = 250;

export class AuditReserve {
  readonly #directory: string;
  readonly #mib: number | undefined;
  readonly #clock: Clock;
  #lookedAt = -Infinity;
  #hasRoom = true;

  /**
   * @param path of the audit log.
   * @param mib what to keep; undefined keeps 16 MiB, or a tenth of a file system that is smaller
   *   than 160 MiB.
   */
  constructor(path: string, mib: number | undefined, clock: Clock) {
    this.#directory = dirname(path);
    this.#mib = mib;
    this.#clock = clock;
  }

  /** False when what is free is kept for signatures. */
  hasRoom(): boolean {
    const now = this.#clock.now();
    if (Math.abs(now - this.#lookedAt) >= LOOK_MS) {
      this.#lookedAt = now;
      this.#hasRoom = this.#look();
    }
    return this.#hasRoom;
  }

  #look(): boolean {
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
