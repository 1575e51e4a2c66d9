// Collects what a child process writes when it is a secret: in one buffer, and wiped everywhere
// else. Pure.

export class WipedOutput {
  readonly #buffer: Buffer;
  #length = 0;

  constructor(maxBytes: number) {
    this.#buffer = Buffer.alloc(maxBytes);
  }

  /** Takes a chunk over, and wipes it; false when it is too much. */
  push(chunk: Buffer): boolean {
    const fits = chunk.length <= this.#buffer.length - this.#length;
    if (fits) {
      chunk.copy(this.#buffer, this.#length);
      this.#length += chunk.length;
    }
    chunk.fill(0);
    return fits;
  }

  /** A copy of everything so far, the caller's to wipe. */
  take(): Buffer {
    const copy = Buffer.alloc(this.#length);
    this.#buffer.copy(copy, 0, 0, this.#length);
    return copy;
  }

  wipe(): void {
    this.#buffer.fill(0);
    this.#length = 0;
  }
}
