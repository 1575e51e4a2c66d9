// Standard output for commands that print much: as fast as the reader takes it, and no further once it has left
// (`| head`). Small outputs go to process.stdout directly.

import { systemCodeOf } from '../lib/errors.js';

export class StandardOutput {
  #error: Error | undefined;

  constructor() {
    // Without a listener a reader that has left ends the process with a stack trace.
    process.stdout.on('error', (error) => {
      this.#error ??= error;
    });
  }

  /**
   * Writes lines, each gets its newline, and waits until they have gone.
   * @returns false when the reader has left: nothing more need be written.
   * @throws the error of a write that failed otherwise, on a full disk for instance.
   */
  async writeLines(lines: readonly string[]): Promise<boolean> {
    if (lines.length > 0 && this.#error === undefined) {
      await new Promise<void>((resolve) => {
        process.stdout.write(`${lines.join('\n')}\n`, (error) => {
          this.#error ??= error ?? undefined;
          resolve();
        });
      });
    }
    if (this.#error !== undefined && systemCodeOf(this.#error) !== 'EPIPE') {
      throw this.#error;
    }
    return this.#error === undefined;
  }
}
