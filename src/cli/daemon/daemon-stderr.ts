// The daemon's standard error, and whether it can still be written: its terminal may be closed, the
// process that reads its pipe may have ended. Unlike a full disk, that is final. Runs in clavigerd.

import { writeStderr } from '../terminal/standard-error.js';

/**
 * EPIPE: the reader has ended. EIO: the terminal is closed. The others: the descriptor is not
 * usable any more.
 */
const GONE: ReadonlySet<string> = new Set(['EPIPE', 'EIO', 'EBADF', 'ENXIO', 'ECONNRESET']);

export class DaemonStderr {
  /**
   * Resolves, with the code of the system's error, when a line could not be written and none ever
   * can.
   */
  readonly gone: Promise<string>;
  #hasLost = false;
  #resolveGone: (code: string) => void = () => undefined;

  constructor() {
    this.gone = new Promise((resolve) => {
      this.#resolveGone = resolve;
    });
  }

  /** True when a line, or a part of one, could not be written. */
  get hasLost(): boolean {
    return this.#hasLost;
  }

  /** @returns false when a part of the lines is lost */
  write(lines: string): boolean {
    const code = writeStderr(lines);
    if (code === undefined) {
      return true;
    }
    this.#hasLost = true;
    if (GONE.has(code)) {
      this.#resolveGone(code);
    }
    return false;
  }
}
