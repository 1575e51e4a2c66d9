// Bytes to lines ended by a newline, for the commands that read files and standard input. Pure.
// An endless line is cut, at one byte over the limit, by which the caller sees that it is too long.

/** One line, without its newline. */
export interface CutLine {
  /** Counted from 1. */
  readonly number: number;
  /** Of a line longer than the limit the first bytes, one more than the limit. */
  readonly bytes: Buffer;
  /** False for what stands after the last newline. */
  readonly isEnded: boolean;
}

const LF = 0x0a;

/** Cuts bytes into lines; holds one line at most. */
export class LineCutter {
  readonly #keptBytes: number;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #number = 1;

  /** @param maxLineBytes of a longer line only so many bytes are kept, and one more. */
  constructor(maxLineBytes: number) {
    this.#keptBytes = maxLineBytes + 1;
  }

  get isAtLineStart(): boolean {
    return this.#pendingBytes === 0;
  }

  push(chunk: Buffer): readonly CutLine[] {
    const lines: CutLine[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#keep(chunk.subarray(start, end));
      lines.push(this.#take(true));
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return lines;
  }

  end(): readonly CutLine[] {
    return this.isAtLineStart ? [] : [this.#take(false)];
  }

  #keep(part: Buffer): void {
    const kept = part.subarray(0, this.#keptBytes - this.#pendingBytes);
    if (kept.length > 0) {
      this.#pending.push(kept);
      this.#pendingBytes += kept.length;
    }
  }

  #take(isEnded: boolean): CutLine {
    const [only] = this.#pending;
    const bytes =
      only !== undefined && this.#pending.length === 1 ? only : Buffer.concat(this.#pending);
    const line = { number: this.#number, bytes, isEnded };
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#number += 1;
    return line;
  }
}
