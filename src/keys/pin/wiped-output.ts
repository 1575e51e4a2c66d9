// Collects the output of a child process that is a secret: in one buffer that can be wiped; the
// chunks it came in are wiped at once. Runs in clavigerd and its commands. Pure.

export class WipedOutput {
  readonly #buffer: Buffer;
  #length = 0;

  constructor(maxBytes: number) {
    this.#buffer = Buffer.alloc(maxBytes);
  }

  /** Copies a chunk and wipes it; false when it does not fit. */
  push(chunk: Buffer): boolean {
    const fits = chunk.length <= this.#buffer.length - this.#length;
    if (fits) {
      chunk.copy(this.#buffer, this.#length);
      this.#length += chunk.length;
    }
    chunk.fill(0);
    return fits;
  }

  /** A copy of everything so far; the caller wipes it. */
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
