// The daemon's standard error, and whether anybody can still read it: its terminal may be closed,
// the process that reads its pipe may have ended. That does not pass, as a full disk does.

import { writeStderr } from '../terminal/standard-error.js';

/**
 * EPIPE: the reader has left. EIO: the terminal is gone. The others: the descriptor is none any
 * more.
 */
const GONE: ReadonlySet<string> = new Set(['EPIPE', 'EIO', 'EBADF', 'ENXIO', 'ECONNRESET']);

export class DaemonStderr {
  /**
   * Resolves, with the code of the system's error, when a line could not be written and none ever
   * can.
   */
  readonly gone: Promise<string>;
  #hasLost = false;
  #tellGone: (code: string) => void = () => undefined;

  constructor() {
    this.gone = new Promise((resolve) => {
      this.#tellGone = resolve;
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
      this.#tellGone(code);
    }
    return false;
  }
}
